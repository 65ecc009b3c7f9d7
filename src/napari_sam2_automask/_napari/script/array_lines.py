"""The arrays of a run as Python that makes them: a plane, a projection, a part, channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.web_address import is_web
from napari_sam2_automask.files.zarr_places import ZIPPED
from napari_sam2_automask.image.channels import Look

if TYPE_CHECKING:
    from napari_sam2_automask._napari.layers.channels import Channels
    from napari_sam2_automask._napari.run.request import Request

__all__ = ["channel_lines", "first_plane", "stack_contrast"]

#: Colour maps of more colours than this are taken from the viewer, not written out.
_FEW = 8


def first_plane(request: Request, path: str | None, layer: str, channel: int | None = None) -> str:
    """Return the expression of the plane that is segmented first, as the viewer shows it.

    Parameters
    ----------
    request : Request
        What Run would do now.
    path : str or None
        The file to read; None takes the layer of the viewer.
    layer : str
        The layer's name.
    channel : int, optional
        The position along the layer's axis of channels.
    """
    source = request.source
    text = _whole(path, layer, source.pyramid is not None, source.level)
    own = source.layer_axes or tuple(range(len(source.shape)))
    cuts = [":"] * len(source.layer_shape or source.shape)
    for axis, position in zip(source.other_axes, request.indices[0], strict=True):
        cuts[own[axis]] = str(position)
    if source.channels is not None and source.channels.axis is not None:
        cuts[source.channels.axis] = str(channel)
    # What is stored as Zarr has no projections before it is read.
    if set(cuts) != {":"} or (source.projected and "open_file(" in text):
        text += f"[{', '.join(cuts)}]"
    if source.projected:
        text += f".{source.projected.kind}({cuts[: source.projected.axis].count(':')})"
    if source.rows_columns[0] > source.rows_columns[1]:
        text += ".swapaxes(0, 1)"
    if request.region is not None:
        y0, x0, y1, x1 = request.region.box
        text += f"[{y0}:{y1}, {x0}:{x1}]"
    return text


def _whole(path: str | None, layer: str, multiscale: bool, level: int) -> str:
    """Return the expression of all the pixels of a file, or of a layer of the viewer."""
    if path is None:
        return f"viewer.layers[{layer!r}].data" + (f"[{level}]" if multiscale else "")
    if is_web(path):
        return f"open_file(web_address({path!r}), level={level})[0]"
    if multiscale or path.rstrip("/\\").endswith((".zarr", *ZIPPED)):
        return f"open_file(Path({path!r}), level={level})[0]"
    return f"imread({path!r})"


def stack_contrast(request: Request) -> tuple[list[str], str]:
    """Return Python that makes planes of a whole stack, and the expression of its contrast limits."""
    source = request.source
    rows, columns = source.rows_columns
    whole = _whole(source.path, source.layer_name, source.pyramid is not None, source.level)
    shape = (-1, *source.plane_shape)
    whole = f"np.asarray({whole})"
    if source.projected:
        whole += f".{source.projected.kind}({source.projected.axis})"
    lines = [f"planes = np.moveaxis({whole}, {(rows, columns)}, (-2, -1)).reshape({shape})\n"]
    return lines, "contrast_of_planes(planes.__getitem__, len(planes))"


def channel_lines(request: Request) -> tuple[list[str], list[str], list[str]]:
    """Return Python for a run of several channels.

    Returns
    -------
    imports, lines : list of str
        What has to be imported, and the lines that make the pictures.
    arguments : list of str
        Of `segment`: the picture, and for channels by themselves the others.
    """
    source, channels = request.source, request.source.channels
    assert channels is not None
    if request.asks_for_stack:
        raise ImageError(
            "the contrast of a whole stack of channels cannot be told to Python: choose another contrast"
        )
    looks = channels.looks_with(request.contrast)
    # One file may hold several of the layers; which part of it a layer is only its reader knows.
    own_files = None not in channels.paths and len(set(channels.paths)) == len(channels.paths)
    arrays = [
        first_plane(request, source.path, source.layer_name, k)
        if channels.axis is not None
        else first_plane(request, channels.paths[k] if own_files else None, name)
        for k, name in enumerate(channels.names)
    ]
    lines = [f"channels = [{', '.join(arrays)}]\n"]
    if channels.how == "mix":
        shown = ", ".join(_look(channels, k, look) for k, look in enumerate(looks))
        lines.append(f"picture = compose(channels, [{shown}])\n")
        return ["from napari_sam2_automask.image import Look, compose\n"], lines, ["picture"]
    limits = [look.contrast_limits for look in looks]
    lines.append(
        "pictures = [to_model_view(channel, rgb=False, contrast_limits=limits) for channel, limits in "
        f"zip(channels, {limits!r}, strict=True)]\n"
    )
    imports = ["from napari_sam2_automask.image import to_model_view\n"]
    return imports, lines, ["pictures[0]", "also=pictures[1:]"]


def _look(channels: Channels, k: int, look: Look) -> str:
    """Return a look as Python, what is as usual left out."""
    colours = repr(tuple(look.colours))
    if len(look.colours) > _FEW:
        # The colours at 256 grays: the table of a colour map of any kind.
        colours = f"viewer.layers[{channels.names[k]!r}].colormap.map([g / 255 for g in range(256)])"
    words = [repr(look.contrast_limits), colours]
    usual = Look()
    for name in ("gamma", "opacity", "blending"):
        if getattr(look, name) != getattr(usual, name):
            words.append(f"{name}={getattr(look, name)!r}")
    return f"Look({', '.join(words)})"
