"""Zarr arrays and OME-Zarr images: their levels and the names of their axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.axis_names import axis_letters
from napari_sam2_automask.files.series import images_in_zarr
from napari_sam2_automask.files.stored_image import StoredImage

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["missing_chunks", "zarr_image"]


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

    node = open_zarr(path)
    if isinstance(node, zarr.Array):
        arrays, names = [node], getattr(node.metadata, "dimension_names", None) or ()
    else:
        attributes = dict(node.attrs)
        multiscales = attributes.get("ome", attributes).get("multiscales")
        if not multiscales:
            images = images_in_zarr(path)
            raise ImageError(f"{path} holds {len(images)} images: give the path of one, such as {images[0]}")
        arrays = [array_of(node, dataset["path"], path) for dataset in multiscales[0]["datasets"]]
        names = multiscales[0]["axes"]
    return StoredImage.of(path, arrays, axis_letters(names))


def missing_chunks(array: Any) -> int:
    """Return how many chunks of a Zarr array are not stored; they read as its fill value."""
    if not hasattr(array, "nchunks_initialized"):
        return 0
    shards = getattr(array, "shards", None)
    total = int(np.prod([-(-n // s) for n, s in zip(array.shape, shards or array.chunks, strict=True)]))
    stored = array._nshards_initialized() if shards else array.nchunks_initialized
    return int(total - stored)
