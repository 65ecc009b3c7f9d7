"""Zarr arrays and OME-Zarr images: their levels and the names of their axes."""

from __future__ import annotations

import math
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.axis_names import axis_letters
from napari_sam2_automask.files.series import images_in_zarr
from napari_sam2_automask.files.stored_image import StoredImage
from napari_sam2_automask.files.zarr_places import zarrs_in_zip

__all__ = ["missing_chunks", "zarr_image"]


#: Before version 0.3 there were these, and nothing told so.
_EARLY_AXES = "tczyx"


def zarr_image(path: Path) -> StoredImage:
    """Return an OME-Zarr image with its levels, or a Zarr array as the only one.

    Raises
    ------
    ImageError
        If it holds several images or none, or is not safe to read. A damaged one raises whatever zarr
        raises.
    """
    import zarr

    from napari_sam2_automask.files.zarr_store import array_of, open_zarr

    if zarrs_in_zip(path):
        raise _several(path)
    node = open_zarr(path)
    channels: tuple[str, ...] = ()
    if isinstance(node, zarr.Array):
        arrays, names = [node], getattr(node.metadata, "dimension_names", None) or ()
    else:
        attributes = dict(node.attrs)
        multiscales = attributes.get("ome", attributes).get("multiscales")
        if not multiscales and "multiscales" in attributes.get("ome", attributes):
            raise ImageError(f"{path} cannot be read, it tells of no image: give an OME-Zarr image")
        if not multiscales:
            raise _several(path)
        arrays = [array_of(node, dataset["path"], path) for dataset in multiscales[0]["datasets"]]
        names, channels = multiscales[0].get("axes"), _channels(attributes.get("ome", attributes))
        if names is None and arrays[0].ndim == len(_EARLY_AXES):
            names = _EARLY_AXES
        elif names is None:
            raise ImageError(f"{path} cannot be read, it tells no axes: give an OME-Zarr image")
    return replace(StoredImage.of(path, arrays, axis_letters(names)), channels=channels)


def _several(path: Path) -> ImageError:
    images = images_in_zarr(path)
    return ImageError(f"{path} holds {len(images):,} images: give the path of one, such as {images[0]}")


def _channels(attributes: Any) -> tuple[str, ...]:
    """Return what the channels are called; none where that is not told, or not as it should be."""
    with suppress(LookupError, TypeError, AttributeError):
        return tuple(str(channel.get("label", "")) for channel in attributes["omero"]["channels"])
    return ()


def missing_chunks(array: Any) -> int:
    """Return how many chunks, or shards of them, of a Zarr array are not stored; 0 where that cannot be told.

    They read as its fill value.
    """
    grid = [-(-n // step) for n, step in zip(array.shape, array.shards or array.chunks, strict=True)]
    # The files are gone through, of which there are so many, not the grid, of which anything can be said.
    stored = _stored(array)
    if stored is None:
        return 0
    return int(math.prod(grid)) - sum(_is_chunk(key, array.metadata, grid) for key in stored)


def _stored(array: Any) -> set[str] | None:
    """Return the names of all files of an array; None where they cannot be told."""
    place = getattr(array.store, "place", None)
    if place is None:
        folder = Path(array.store.root) / array.path
        return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    keys, start = place.keys(), f"{array.path}/" if array.path else ""
    return None if keys is None else {key[len(start) :] for key in keys if key.startswith(start)}


def _is_chunk(key: str, metadata: Any, grid: list[int]) -> bool:
    """Tell whether a file is called like a chunk of a grid."""
    place = tuple(int(digits) for digits in re.findall(r"\d{1,18}", key))
    if len(place) != len(grid) or any(n >= most for n, most in zip(place, grid, strict=True)):
        return False
    return bool(metadata.encode_chunk_key(place) == key)
