"""PNG, JPEG, BMP, WebP and GIF files: a picture, or frames."""

from __future__ import annotations

import math
import warnings
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.stored_image import LARGEST_PIECE, StoredImage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["images_in_raster", "is_raster"]

_MARKS = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG", b"BM": "BMP", b"GIF8": "GIF"}
# No frame can be longer, whatever is said of the whole; to fill what is said takes minutes.
_LONGEST_WEBP = 16_383
# How many samples to keep of a PNG with 16 bits for each, by its colour type. Pillow reads gray ones only.
_DEEP_SAMPLES = {2: 3, 4: 1, 6: 4}


def is_raster(start: bytes) -> bool:
    """Tell by its first 32 bytes whether a file is a PNG, JPEG, BMP, WebP or GIF."""
    return _format(start) is not None


def images_in_raster(path: Path, start: bytes) -> list[StoredImage]:
    """Return the image of a file, with its frames as planes; of a JPEG the first picture.

    Parameters
    ----------
    path : Path
        The file.
    start : bytes
        Its first 32 bytes.

    Raises
    ------
    ImageError
        If it is too large. A damaged file raises whatever Pillow or imagecodecs raises.
    """
    from PIL import Image

    name = str(_format(start))
    deep = name == "PNG" and start[12:16] == b"IHDR" and start[24] == 16
    samples = _DEEP_SAMPLES.get(start[25]) if deep else None
    try:
        with _opened(path, name) as image:
            # More pictures in a JPEG are previews, or tell of the first.
            frames = 1 if name == "JPEG" else getattr(image, "n_frames", 1)
            if name == "WEBP" and max(image.size) > _LONGEST_WEBP:
                raise ImageError(f"{path} is too large for a WebP: save it as TIFF")
            if samples is not None and 8 * math.prod(image.size) * frames > LARGEST_PIECE:
                raise ImageError(f"{path} is too large for a PNG of 16 bits: save it as TIFF")
        return [_image(path, partial(_frame, path, name, samples), frames)]
    except Image.DecompressionBombError as error:
        raise ImageError(f"{path} is too large for a {name} ({error}): save it as TIFF") from error


def _format(start: bytes) -> str | None:
    """Return what Pillow calls the format of a file that starts so."""
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WEBP"
    return next((name for mark, name in _MARKS.items() if start.startswith(mark)), None)


def _image(path: Path, read: Callable[[int], NDArray[Any]], frames: int) -> StoredImage:
    first = read(0)
    axes = "YXS"[: first.ndim]
    if frames == 1:
        return StoredImage.of(path, [first], axes)
    return StoredImage.of(path, [_Frames(read, frames, first)], "a" + axes)


class _Frames:
    """Frames as an array: one is read when it is asked for, all for any other part."""

    def __init__(self, read: Callable[[int], NDArray[Any]], count: int, first: NDArray[Any]) -> None:
        self._read = read
        self.shape, self.dtype, self.ndim = (count, *first.shape), first.dtype, first.ndim + 1

    def __getitem__(self, key: Any) -> Any:
        frame, *rest = key if isinstance(key, tuple) else (key,)
        if isinstance(frame, (int, np.integer)):
            return self._frame(int(frame))[tuple(rest)]
        return np.asarray(self)[key]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.stack([self._frame(number) for number in range(int(self.shape[0]))]).astype(
            dtype or self.dtype
        )

    def _frame(self, number: int) -> NDArray[Any]:
        frame = self._read(number)
        if frame.shape != self.shape[1:]:
            raise ValueError(f"frame {number} has the shape {frame.shape}, the first one {self.shape[1:]}")
        return frame


def _frame(path: Path, name: str, deep_samples: int | None, number: int) -> NDArray[Any]:
    """Read a frame; `deep_samples` says how many samples to keep of a PNG that Pillow cannot read."""
    if deep_samples is not None:
        import imagecodecs

        data = path.read_bytes()
        frame: NDArray[Any] = (
            imagecodecs.apng_decode(data)[number] if number else imagecodecs.png_decode(data)
        )
        return frame[..., 0] if deep_samples == 1 else frame[..., :deep_samples]
    with _opened(path, name) as image:
        image.seek(number)
        return _pixels(image)


@contextmanager
def _opened(path: Path, name: str) -> Iterator[Any]:
    """Open a picture of a format."""
    from PIL import Image

    with warnings.catch_warnings():
        # From 89 megapixels on Pillow warns, which many a picture has; from twice as many on it refuses.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        # No other decoder is tried: some of Pillow's start programs.
        with Image.open(path, formats=[name]) as image:
            yield image


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
