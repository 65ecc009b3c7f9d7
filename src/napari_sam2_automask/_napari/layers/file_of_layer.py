"""Which file a layer shows: napari knows the path that was opened, which may hold several images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam2_automask.files.web_address import given_path

if TYPE_CHECKING:
    from napari.layers import Layer

__all__ = ["INSIDE_KEY", "file_of_layer"]

#: Where in a layer's metadata it is told which of the images in the file that was opened it shows.
INSIDE_KEY = "sam2_automask_inside"


def file_of_layer(layer: Layer) -> str | None:
    """Return the path of a layer's image, or its web address; None where it was not read from a file.

    Parameters
    ----------
    layer : Layer
        An image or labels.

    Returns
    -------
    str or None
        Of one image of several, in a zip file or at a web address, the path of that image, such as
        ``"plate.ozx/A/1/0"``.
    """
    opened = layer.source.path
    if not opened:
        return None
    inside = layer.metadata.get(INSIDE_KEY)
    return str(given_path(str(opened)) / inside) if isinstance(inside, str) and inside else str(opened)
