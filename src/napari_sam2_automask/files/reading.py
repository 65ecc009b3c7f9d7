"""Image files: TIFF, PNG, JPEG and Zarr to one plane as an array."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.pixel_size import pixel_size_in
from napari_sam2_automask.files.series import count_series
from napari_sam2_automask.files.stack_file import open_stack
from napari_sam2_automask.image.pick import Pick
from napari_sam2_automask.image.picture import LoadedImage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray


__all__ = ["SUFFIXES", "count_planes", "every_plane", "read_image"]

#: What a folder is searched for.
SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg")

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# Axes of a TIFF file that are within one plane: rows, columns, and samples (colours).
_PLANE_AXES = "YXS"


def read_image(path: Path, plane: int | None = None) -> LoadedImage:
    """Read one plane of a TIFF, PNG or JPEG file, or of a Zarr.

    Parameters
    ----------
    path : Path
        The file; what it is is told by its content, not by its name.
    plane : int, optional
        Which plane to take of a file with several, counted from 0 with the last axis fastest.

    Raises
    ------
    ImageError
        If the file cannot be read, is no image, or holds several planes and none was chosen.
    """
    try:
        if path.is_dir():
            return open_stack(path).read(Pick(plane))
        with path.open("rb") as file:
            start = file.read(4)
        if not start:
            raise ImageError(f"{path} is empty (0 bytes): replace it by an image")
        return _read_tiff(path, plane) if start in _TIFF_STARTS else _read_other(path, plane)
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(f"{path} does not fit into memory: use a smaller image") from error
    except OSError as error:
        raise ImageError(f"cannot read {path} ({error.strerror or error}): check the file") from error
    except Exception as error:  # the decoders raise whatever they meet in a damaged file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ImageError(f"cannot read {path} ({reason}): it is damaged or in an unknown format") from error


def count_planes(path: Path) -> int:
    """Return how many planes `read_image` can take of a file: 1 for a simple image.

    Raises
    ------
    ImageError
        If the file cannot be read.
    """
    import tifffile
    from PIL import Image

    try:
        if path.is_dir():
            return open_stack(path).count(Pick())
        with path.open("rb") as file:
            start = file.read(4)
        if start in _TIFF_STARTS:
            with tifffile.TiffFile(path) as tiff:
                return sum(_planes_of(series) for series in tiff.series)
        with Image.open(path) as image:
            return int(getattr(image, "n_frames", 1))
    except Exception as error:  # the decoders raise whatever they meet in a damaged file
        raise ImageError(f"cannot read {path} ({error}): it is damaged or in an unknown format") from error


def _read_tiff(path: Path, plane: int | None) -> LoadedImage:
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        if not tiff.series:
            raise ImageError(f"{path} holds no image: it is damaged or in an unknown format")
        counts = [_planes_of(series) for series in tiff.series]
        shape = "x".join(map(str, tiff.series[0].shape))
        _check_plane(path, plane, sum(counts), f" ({tiff.series[0].axes} {shape})")
        index, series = plane or 0, 0
        while index >= counts[series]:
            index, series = index - counts[series], series + 1
        array = _tiff_plane(path, tiff.series[series], index)
        pixel_size, unit = pixel_size_in(tiff)
    rgb = array.ndim == 3
    if rgb and array.shape[-1] not in (3, 4):
        raise ImageError(f"{path} has {array.shape[-1]} samples per pixel: save it as gray or RGB")
    return LoadedImage(array, rgb, plane, pixel_size, unit)


def _planes_of(series: Any) -> int:
    """Return how many planes of rows and columns (and colours) a series holds."""
    return math.prod(n for n, axis in zip(series.shape, series.axes, strict=True) if axis not in _PLANE_AXES)


def _tiff_plane(path: Path, series: Any, index: int) -> NDArray[Any]:
    """Read plane `index` of a series, with rows and columns first and colours last."""
    try:
        if len(series.pages) == _planes_of(series) > 1:
            page = series.pages[index]
            array, axes, index = page.asarray(), page.axes, 0
        else:
            array, axes = series.asarray(), series.axes
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        # The codec (LZW, JPEG ...) is in an optional package; Pillow knows the usual ones.
        return _tiff_through_pillow(path, index, str(error))
    order = sorted(range(len(axes)), key=lambda k: max(0, _PLANE_AXES.find(axes[k]) + 1))
    array = np.transpose(array, order)
    names = [axes[k] for k in order if axes[k] in _PLANE_AXES]
    one: NDArray[Any] = array.reshape(-1, *array.shape[array.ndim - len(names) :])[index]
    return one[..., 0] if names[-1] == "S" and one.shape[-1] == 1 else one


def _tiff_through_pillow(path: Path, index: int, reason: str) -> NDArray[Any]:
    from PIL import Image

    try:
        with Image.open(path) as image:
            image.seek(index)
            return _pixels(image)
    except Exception as error:
        raise ImageError(
            f"cannot read {path} ({reason}): install it with `pip install imagecodecs`, or save the image "
            "without compression"
        ) from error


def _read_other(path: Path, plane: int | None) -> LoadedImage:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            _check_plane(path, plane, getattr(image, "n_frames", 1))
            image.seek(plane or 0)
            array = _pixels(image)
    except UnidentifiedImageError as error:
        raise ImageError(f"{path} is no image that can be read: give a TIFF, PNG or JPEG file") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"{path} is too large for a PNG or JPEG ({error}): save it as TIFF") from error
    return LoadedImage(array, array.ndim == 3, plane)


def _pixels(image: Any) -> NDArray[Any]:
    """Return the pixels of a Pillow image: gray as stored, everything else as RGB or RGBA."""
    mode = image.mode
    if mode == "1":
        return np.array(image, dtype=np.uint8) * 255
    if mode in ("L", "RGB", "RGBA", "I", "F") or mode.startswith("I;16"):
        return np.array(image)
    if mode == "LA":
        return np.array(image.getchannel("L"))
    return np.array(image.convert("RGBA" if "transparency" in image.info else "RGB"))


def _check_plane(path: Path, plane: int | None, n_planes: int, what: str = "") -> None:
    if plane is None and n_planes > 1:
        raise ImageError(
            f"{path} holds {n_planes} planes{what}: choose one with --plane N, from 0 to {n_planes - 1}"
        )
    if plane is not None and not 0 <= plane < n_planes:
        count = f"{n_planes} planes: choose one from 0 to {n_planes - 1}" if n_planes > 1 else "one: choose 0"
        raise ImageError(f"there is no plane {plane} in {path}, it holds {count}")


def every_plane(path: Path, level: int = 0) -> Iterator[LoadedImage]:
    """Read all planes of a file, one after the other, channels counted as planes.

    Parameters
    ----------
    path : Path
        The file.
    level : int
        Which level of a pyramid; 0 is full resolution.

    Raises
    ------
    ImageError
        If the file cannot be read or has no such level.
    """
    if level == 0:  # any kind of file
        count = count_planes(path)
        for plane in range(count):
            yield read_image(path, plane if count > 1 else None)
        return
    for series in range(count_series(path)):
        stack = open_stack(path, series=series, level=level)
        for plane in range(stack.count(Pick())):
            yield stack.read(Pick(plane))
