"""Write files of microscope makers by the libraries that can, and compare every pixel with what is read.

Files given as arguments are read as well: what they hold is printed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import tifffile

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.opening import images_in
from napari_sam2_automask.files.pixel_size import pixel_size_of
from napari_sam2_automask.files.stack_file import open_stack
from napari_sam2_automask.image.pick import Pick

SETTINGS = """[ProfileSaveInfo]
Name="Olympus"
Version="1.2.6.0"
[Reference Image Parameter]
WidthConvertValue=0.25
WidthUnit="um"
HeightConvertValue=0.5
HeightUnit="um"
[Axis 3 Parameters Common]
AxisCode="Z"
Interval=1500
PixUnit="nm"
"""


def write_czi(path: Path, planes: dict[tuple[int, int, int], np.ndarray], tile: int | None = None) -> Path:
    """Write planes by T, Z and C, each (Y, X, samples), in tiles of a size if one is given."""
    from pylibCZIrw import czi

    with czi.create_czi(str(path)) as file:
        for (t, z, c), plane in planes.items():
            side = tile or max(plane.shape)
            for y in range(0, plane.shape[0], side):
                for x in range(0, plane.shape[1], side):
                    piece = np.ascontiguousarray(plane[y : y + side, x : x + side])
                    file.write(data=piece, plane={"T": t, "Z": z, "C": c}, location=(x, y), scene=0)
        names = {c: f"dye {c}" for *_, c in planes}
        file.write_metadata("a", channel_names=names, scale_x=0.25e-6, scale_y=0.5e-6, scale_z=2e-6)
    return path


def write_oif(path: Path, pixels: np.ndarray) -> Path:
    """Write an OIF of pixels (C, Z, Y, X)."""
    path.write_bytes(SETTINGS.replace("\n", "\r\n").encode("utf-16"))
    folder = path.with_name(f"{path.name}.files")
    folder.mkdir()
    for c, z in np.ndindex(*pixels.shape[:2]):
        tifffile.imwrite(folder / f"s_C{c + 1:03}Z{z + 1:03}.tif", pixels[c, z])
    return path


def check(path: Path, axes: str, pixels: np.ndarray, size: tuple[float | None, ...]) -> None:
    """Compare what is read, whole and by planes, with what was written."""
    stack = open_stack(path)
    assert stack.axes == axes, stack.axes
    assert np.array_equal(np.asarray(stack.array[...]), pixels), path
    for plane in range(stack.count(Pick())):
        inner = pixels.ndim - sum(axis in "YXS" for axis in axes)
        expected = pixels.reshape(-1, *pixels.shape[inner:])[plane]
        assert np.array_equal(stack.read(Pick(plane)).array, expected), (path, plane)
    assert pixel_size_of(path) == (*size, "um"), pixel_size_of(path)
    print(
        f"{path.name}: {axes} {pixels.shape} {pixels.dtype}, channels {stack.channels}: every pixel is right"
    )


def show(path: Path) -> None:
    """Print what a file holds, and a mean that cannot be had without its pixels."""
    for number, image in enumerate(images_in(path)):
        size = pixel_size_of(path, number)
        print(
            f"{path.name} {number}: {image.axes} {image.shapes[0]} {image.dtype} {size}", end=" ", flush=True
        )
        try:
            print("mean", np.asarray(image.array()[...]).mean())
        except ImageError as error:
            print(error)


def main() -> None:
    folder, *others = map(Path, sys.argv[1:])
    random = np.random.default_rng(0)
    volume = random.integers(0, 60_000, (2, 2, 3, 40, 50), dtype=np.uint16)
    planes = {(t, z, c): volume[t, c, z, ..., None] for t, c, z in np.ndindex(2, 2, 3)}
    check(write_czi(folder / "stack.czi", planes), "TCZYX", volume, (2.0, 0.5, 0.25))
    colours = random.integers(0, 255, (80, 120, 3), dtype=np.uint8)
    for name, tile in (("colours", None), ("mosaic of colours", 40)):
        path = write_czi(folder / f"{name}.czi", {(0, 0, 0): colours}, tile)
        check(path, "TCZYXS", colours[None, None, None], (2.0, 0.5, 0.25))
    gray = random.integers(0, 60_000, (80, 120, 1), dtype=np.uint16)
    path = write_czi(folder / "mosaic.czi", {(0, 0, 0): gray}, 40)
    check(path, "TCZYX", gray[None, None, None, ..., 0], (2.0, 0.5, 0.25))
    check(write_oif(folder / "planes.oif", volume[0]), "CZYX", volume[0], (1.5, 0.5, 0.25))
    for path in others:
        show(path)


if __name__ == "__main__":
    main()
