"""Pyramids for tests: an image whose levels are means of blocks, in the files that hold such."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tifffile
import zarr

if TYPE_CHECKING:
    from pathlib import Path


def levels_of(pixels: np.ndarray, count: int = 3) -> list[np.ndarray]:
    """Return the levels of an image (..., Y, X): each the means of blocks of 2 x 2 of the one before."""
    levels = [pixels]
    for _ in range(count - 1):
        last = levels[-1].astype(np.float64)
        rows, columns = (n // 2 for n in last.shape[-2:])
        blocks = last[..., : 2 * rows, : 2 * columns].reshape(*last.shape[:-2], rows, 2, columns, 2)
        levels.append(np.round(blocks.mean((-3, -1))).astype(pixels.dtype))
    return levels


def write_zarr(path: Path, levels: list[np.ndarray], size: float = 0.5, axes: str = "yx") -> Path:
    """Write an OME-Zarr; pixels of full resolution are `size` micrometres high and wide."""
    group = zarr.create_group(path)
    datasets = []
    for number, level in enumerate(levels):
        group.create_array(str(number), shape=level.shape, chunks=level.shape, dtype=level.dtype)[:] = level
        scale = [1.0] * (len(axes) - 2) + [size * 2**number] * 2
        place = [{"type": "scale", "scale": scale}]
        datasets.append({"path": str(number), "coordinateTransformations": place})
    kinds = {"c": "channel", "t": "time"}
    named = [
        {"name": axis, "type": kinds.get(axis, "space")} | ({} if axis in kinds else {"unit": "micrometer"})
        for axis in axes
    ]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": named, "datasets": datasets}]}
    return path


def write_tiff(path: Path, levels: list[np.ndarray], size: float = 0.5) -> Path:
    """Write an OME-TIFF with the coarser levels as sub-images."""
    with tifffile.TiffWriter(path, ome=True) as file:
        metadata = {"axes": "YX", "PhysicalSizeX": size, "PhysicalSizeY": size}
        units = {"PhysicalSizeXUnit": "µm", "PhysicalSizeYUnit": "µm"}
        file.write(levels[0], tile=(16, 16), subifds=len(levels) - 1, metadata=metadata | units)
        for level in levels[1:]:
            file.write(level, tile=(16, 16), subfiletype=1)
    return path
