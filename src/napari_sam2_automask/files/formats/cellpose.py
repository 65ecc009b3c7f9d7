"""Cellpose's ``_seg.npy``: labels that its window opens beside an image, and back."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.disk.regular import check_regular
from napari_sam2_automask.errors import FormatError, ImageError
from napari_sam2_automask.files.formats.outlined import Outlines
from napari_sam2_automask.files.formats.plain_pickle import load_plain
from napari_sam2_automask.files.web_address import given_path
from napari_sam2_automask.painting.labels import label_dtype

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["cellpose_npy", "read_cellpose"]

#: Our labels, by Cellpose's less one; Cellpose passes over what it does not know.
OWN_LABELS = "sam2_automask_labels"
_LARGEST = 8 << 30


def cellpose_npy(outlines: Outlines) -> bytes:
    """Return a ``_seg.npy`` as Cellpose writes it.

    Its window counts masks from 1 to the largest number and gives each a colour, so that they are numbered
    through; an entry of our own keeps the labels.

    Raises
    ------
    FormatError
        If objects were kept whole on levels: it has one label image.
    """
    if outlines.layered:
        raise FormatError(
            f"{outlines.name}: Cellpose's _seg.npy cannot hold objects that overlap (all levels): choose "
            "another overlap, or save GeoJSON"
        )
    labels = outlines.labels()
    known, ranks = np.unique(labels, return_inverse=True)
    own = known[known > 0]
    masks = (ranks.reshape(labels.shape) + (0 if len(known) > len(own) else 1)).astype(label_dtype(len(own)))
    content = {
        "outlines": np.where(_inner_edges(masks), masks, 0).astype(masks.dtype),
        "masks": masks,
        "chan_choose": [0, 0],
        "ismanual": np.zeros(len(own), bool),
        "filename": outlines.name,
        "flows": [],
        "diameter": float(np.sqrt(np.bincount(masks.ravel())[1:].mean() * 4 / np.pi)) if len(own) else 0.0,
        OWN_LABELS: own.astype(np.int64),
    }
    file = io.BytesIO()
    np.save(file, np.array(content, dtype=object), allow_pickle=True)
    return file.getvalue()


def _inner_edges(masks: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """Return which pixels have a neighbour above, below, left or right with another number."""
    padded = np.pad(masks, [(0, 0)] * (masks.ndim - 2) + [(1, 1), (1, 1)], mode="edge")
    middle = padded[..., 1:-1, 1:-1]
    found = np.zeros(masks.shape, bool)
    for rows, columns in ((0, 1), (2, 1), (1, 0), (1, 2)):
        height, width = masks.shape[-2:]
        found |= padded[..., rows : rows + height, columns : columns + width] != middle
    return found & (masks > 0)


def read_cellpose(path: str | Path) -> Outlines:
    """Read the masks of a ``_seg.npy`` of Cellpose.

    The file is a pickle. It is read by an unpickler that knows NumPy arrays, dictionaries, lists, text and
    numbers alone; nothing in the file is run.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    Outlines
        The masks, (Y, X) or (Z, Y, X), with the labels that they had here if they come from here.

    Raises
    ------
    ImageError
        If the file cannot be read, asks for anything else, or holds no masks.
    """
    path = given_path(path)
    try:
        if check_regular(path).st_size > _LARGEST:
            raise ImageError(f"{path} has more than {_LARGEST:,} bytes: give a smaller file")
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
            shape, _, dtype = read[version[0]](file)
            if shape != () or not dtype.hasobject or dtype.names is not None:
                raise ImageError(f"{path} holds an array and no masks of Cellpose: give a _seg.npy")
            content = load_plain(file, str(path))
    except OSError as error:
        raise ImageError(f"cannot read {path} ({error.strerror or error}): check the path") from error
    except ImageError:
        raise
    except Exception as error:  # NumPy raises what Python's own parser meets in a damaged head
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ImageError(f"{path} is no .npy file ({reason}): give a _seg.npy of Cellpose") from error
    masks = content.get("masks") if isinstance(content, dict) else None
    if not isinstance(masks, np.ndarray) or masks.dtype.kind not in "iu" or masks.ndim not in (2, 3):
        raise ImageError(f"{path} holds no masks: give a _seg.npy of Cellpose")
    if masks.size and int(masks.min()) < 0:
        raise ImageError(f"{path} has masks below 0: give a _seg.npy of Cellpose")
    own = content.get(OWN_LABELS)
    largest = int(masks.max(initial=0))
    if isinstance(own, np.ndarray) and own.dtype == np.int64 and own.shape == (largest,) and _rising(own):
        masks = np.concatenate([[0], own]).astype(label_dtype(int(own.max(initial=0))))[masks]
    return Outlines.of_labels(masks.astype(label_dtype(int(masks.max(initial=0)))), path.name)


def _rising(labels: NDArray[np.int64]) -> bool:
    if not len(labels):
        return True
    return bool(labels[0] > 0 and (np.diff(labels) > 0).all())
