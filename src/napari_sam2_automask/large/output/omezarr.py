"""Labels as OME-Zarr 0.5: a pyramid of Zarr arrays, written block by block and opened lazily."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.disk.output_errors import writing
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.axis_names import AxisScale
from napari_sam2_automask.files.own_results import RECORD
from napari_sam2_automask.large.output.plane_axes import PlaneAxes
from napari_sam2_automask.large.tiles.grid import Box

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


__all__ = ["OWN", "RECORD", "Pyramid", "open_levels", "read_attributes"]

#: What the files of such a group are called, from the group on; Zarr writes each under a ``.partial`` name
#: first, and systems leave notes in folders that they show.
OWN = re.compile(
    r"zarr\.json|\d+/zarr\.json|\d+/c/\d+(/\d+){1,4}|([\w/]*/)?\w+\.[0-9a-f]+\.partial"
    r"|(.*/)?(\.DS_Store|Thumbs\.db|desktop\.ini)"
)

_TYPES = {"t": "time", "z": "space", "y": "space", "x": "space"}


@dataclass(frozen=True)
class Pyramid:
    """The arrays of a label image at full resolution, one half, one quarter and so on.

    Attributes
    ----------
    shape : (int, int)
        Height and width of a plane.
    planes : PlaneAxes
        The axes before rows and columns.
    block : int
        Side of a chunk, in pixels. One task writes one chunk, so that no two write the same file.
    """

    shape: tuple[int, int]
    planes: PlaneAxes = PlaneAxes()
    block: int = 1024

    @property
    def levels(self) -> int:
        """How many levels there are: the last fits in one block."""
        return max(0, int(np.ceil(np.log2(max(self.shape) / self.block)))) + 1

    def level_shape(self, level: int) -> tuple[int, int]:
        """Return height and width of a level."""
        return -(-self.shape[0] // 2**level), -(-self.shape[1] // 2**level)

    def _grid(self, level: int) -> tuple[int, int]:
        height, width = self.level_shape(level)
        return -(-height // self.block), -(-width // self.block)

    def blocks(self, level: int) -> int:
        """Return how many blocks a level has, those of all planes together."""
        return self.planes.count * int(np.prod(self._grid(level)))

    def box(self, level: int, index: int) -> tuple[int, Box]:
        """Return the plane and the pixels of a block."""
        rows, columns = self._grid(level)
        plane, rest = divmod(index, rows * columns)
        row, column = divmod(rest, columns)
        height, width = self.level_shape(level)
        y0, x0 = row * self.block, column * self.block
        return plane, Box(y0, x0, min(y0 + self.block, height), min(x0 + self.block, width))

    def create(
        self,
        path: Path,
        dtype: Any,
        scales: Mapping[str, AxisScale],
        record: Mapping[str, Any],
    ) -> None:
        """Create the group and its empty arrays.

        Parameters
        ----------
        path : Path
            Of the group.
        dtype : dtype
            Of the labels.
        scales : mapping of str to AxisScale
            By the axes' names, t, z, y and x: the step from pixel to pixel, the UDUNITS-2 name of its unit,
            such as ``"micrometer"``, and where the centre of the first pixel lies. Those that are left out
            have a step of 1.
        record : mapping
            How the labels were made; kept in the group's attributes.
        """
        import zarr

        names = [*self.planes.names, "y", "x"]
        with writing(path):
            group = zarr.open_group(path, mode="a", zarr_format=3)
            for level in range(self.levels):
                if str(level) not in group:
                    group.create_array(
                        str(level),
                        shape=(*self.planes.shape, *self.level_shape(level)),
                        chunks=(*(1 for _ in self.planes.names), self.block, self.block),
                        dtype=dtype,
                        fill_value=0,
                        dimension_names=names,
                    )
            group.attrs.update(self._attributes(names, scales) | {RECORD: dict(record)})

    def _attributes(self, names: list[str], scales: Mapping[str, AxisScale]) -> dict[str, Any]:
        axes: list[dict[str, str]] = []
        told = [scales.get(name, AxisScale(1.0)) for name in names]
        for name, scale in zip(names, told, strict=True):
            kind = {"type": _TYPES[name]} if name in _TYPES else {}
            axes.append({"name": name} | kind | ({"unit": scale.unit} if scale.unit else {}))
        datasets = []
        for level in range(self.levels):
            # Every second row and column is kept, so that pixels stay where they were.
            factors = [1.0] * (len(names) - 2) + [2.0**level] * 2
            steps = [float(scale.step) * f for scale, f in zip(told, factors, strict=True)]
            place: list[dict[str, Any]] = [{"type": "scale", "scale": steps}]
            if any(scale.place for scale in told):
                place.append({"type": "translation", "translation": [float(scale.place) for scale in told]})
            datasets.append({"path": str(level), "coordinateTransformations": place})
        multiscale = {"name": "labels", "axes": axes, "datasets": datasets, "type": "every second pixel"}
        return {"ome": {"version": "0.5", "multiscales": [multiscale], "image-label": {"version": "0.5"}}}

    def write(self, path: Path, level: int, index: int, labels: NDArray[Any]) -> None:
        """Write one block: its file is whole or not there.

        Parameters
        ----------
        path : Path
            Of the group.
        level, index : int
            Which block.
        labels : ndarray of int, shape (Y, X)
            Its labels.
        """
        import zarr

        from napari_sam2_automask.files.zarr_store import check_array

        plane, box = self.box(level, index)
        with writing(path):
            array = check_array(zarr.open_array(path / str(level), mode="r+"), path / str(level))
            array[self._key(plane, box)] = labels

    def file_hash(self, path: Path, level: int, index: int) -> bytes:
        """Return 32 bytes that stand for the file of a block; one that is all background has none."""
        plane, box = self.box(level, index)
        place = [str(k) for k in self.planes.index(plane)]
        place += [str(box.y0 // self.block), str(box.x0 // self.block)]
        try:
            return hashlib.sha256((path / str(level) / "c" / "/".join(place)).read_bytes()).digest()
        except FileNotFoundError:
            return bytes(32)

    def read(self, path: Path, level: int, plane: int, box: Box) -> NDArray[Any]:
        """Return the labels in a box of a level, shape (Y, X); what lies outside the level is left out."""
        from napari_sam2_automask.files.zarr_store import open_zarr

        height, width = self.level_shape(level)
        box = Box(box.y0, box.x0, min(box.y1, height), min(box.x1, width))
        return np.asarray(open_zarr(path / str(level))[self._key(plane, box)])

    def _key(self, plane: int, box: Box) -> tuple[Any, ...]:
        return (*self.planes.index(plane), slice(box.y0, box.y1), slice(box.x0, box.x1))


def read_attributes(path: Path) -> dict[str, Any]:
    """Return the attributes of an OME-Zarr group.

    Raises
    ------
    ImageError
        If there is none.
    """
    import zarr

    try:
        return dict(zarr.open_group(path, mode="r").attrs)
    except Exception as error:
        raise ImageError(f"{path} is not an OME-Zarr image: {error}") from error


def open_levels(path: str | Path) -> tuple[list[Any], dict[str, Any]]:
    """Open finished labels without reading them, ready for a viewer.

    Parameters
    ----------
    path : str or Path
        Of the OME-Zarr group.

    Returns
    -------
    list of dask.array.Array
        The levels, full resolution first; where there is one only, that array itself, as viewers want it.
    dict
        For ``viewer.add_labels(levels, **kwargs)``: ``multiscale``, ``scale``, ``axis_labels``, ``name``,
        ``translate`` if the labels are of a coarser level of the image than full resolution, and
        ``metadata`` with the record; ``units`` if the file has them.
    """
    import dask.array as da

    from napari_sam2_automask.files.zarr_store import open_zarr

    path = Path(path)
    attributes = read_attributes(path)
    multiscale = attributes["ome"]["multiscales"][0]
    load: Any = da.from_zarr
    levels = [load(open_zarr(path / d["path"])) for d in multiscale["datasets"]]
    kwargs: dict[str, Any] = {
        "multiscale": len(levels) > 1,
        "scale": tuple(multiscale["datasets"][0]["coordinateTransformations"][0]["scale"]),
        "axis_labels": tuple(axis["name"] for axis in multiscale["axes"]),
        "name": path.name.removesuffix(".zarr").removesuffix(".ome"),
        "metadata": {RECORD: attributes.get(RECORD, {})},
    }
    for place in multiscale["datasets"][0]["coordinateTransformations"][1:]:
        kwargs["translate"] = tuple(place["translation"])
    units = [axis.get("unit", "pixel") for axis in multiscale["axes"]]
    if any(unit != "pixel" for unit in units):
        kwargs["units"] = tuple(units)
    return levels if len(levels) > 1 else levels[0], kwargs
