"""What the widget shows as a run in the background: its specification, or why it cannot be one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import ImageError, OutputError
from napari_sam2_automask.files.kinds import KINDS, is_candidate, stem_of
from napari_sam2_automask.files.pixel_size import FileScale
from napari_sam2_automask.files.web_address import is_web
from napari_sam2_automask.image.axes import cut, guess_axes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.layers.image_source import ImageSource
    from napari_sam2_automask._napari.run.request import Request
    from napari_sam2_automask.large.spec import LargeSpec

__all__ = ["checked", "default_output", "large_spec"]

#: A patch of this side tells whether a layer shows what its file holds.
PATCH = 64


def default_output(image: str) -> str:
    """Return where the labels of an image's file go: beside it, under a name that nothing has yet."""
    path = Path(image)
    stem = stem_of(path)
    number = 1
    while True:
        more = f"_{number}" if number > 1 else ""
        output = path.with_name(f"{stem}_labels{more}.ome.zarr")
        if not output.exists() and not output.with_name(output.name + ".run").exists():
            return str(output)
        number += 1


def large_spec(request: Request, output: str) -> LargeSpec:
    """Return a run over the image's file with the choices of the widget; quick, looks at no file.

    Parameters
    ----------
    request : Request
        What Run would do.
    output : str
        The OME-Zarr to write.

    Raises
    ------
    ImageError
        If the layer has no file, or something is chosen that a large run does not do.
    OutputError
        If the output has no name of a Zarr.
    """
    from napari_sam2_automask.large.spec import LargeSpec

    source = request.source
    if source.path is None:
        raise ImageError(
            f"{source.name!r} has no file behind it: save the layer first (File > Save Selected Layers, as "
            "TIFF) and open that file"
        )
    if is_web(source.path):
        raise ImageError(
            f"{source.path} is on the web, where a run in the background does not go: give the address to "
            "sam2-automask large, or choose a place or a coarser level"
        )
    if not is_candidate(Path(source.path)):
        raise ImageError(f"{source.path} is no {KINDS} file: save the layer as TIFF first and open that file")
    for chosen, what in (
        (source.channels is not None, "takes one channel: set Channels to This layer only"),
        (request.region is not None, "takes the whole image: set Where to Whole image"),
        (source.projected, "makes no projection: set Planes to all planes"),
        (
            source.plane_count != len(request.indices),
            f"takes all planes: set Planes to All {source.plane_count:,} planes",
        ),
        (request.settings.point_grids, "asks a grid in every tile: clear Own point grids"),
        (request.link, "links no planes: set Objects to Each plane by itself"),
        (
            source.rows_columns != (len(source.shape) - 2, len(source.shape) - 1),
            "needs rows and columns as they are in the file: roll or transpose the axes back",
        ),
    ):
        if chosen:
            raise ImageError(f"a run in the background {what}")
    if not output.lower().endswith(".zarr"):
        raise OutputError(f"the labels are an OME-Zarr, but {output!r} does not end in .zarr: add it")
    letters = _plane_letters(source)
    between = 1.0
    if "Z" in letters or len(letters) == 1:
        between = _between(source, source.other_axes[max(0, letters.find("Z"))])
    return LargeSpec(
        source.path,
        str(Path(output).expanduser().absolute()),
        request.settings,
        request.model,
        request.device,
        axes=letters + "YX" + ("S" if source.rgb else ""),
        contrast_limits=request.contrast_limits,
        spacing=(between, *source.pixel_size),
        unit=source.unit,
        interval=_interval(source, letters),
        level=source.level,
        origin=_origin(source),
        series=0,
        allow_missing=True,  # a person sees in the viewer what they read as
    )


def checked(spec: LargeSpec, source: ImageSource) -> LargeSpec:
    """Return the run with what only the file tells, after making sure that it holds what the layer shows.

    Opens the file and reads a patch of it, so not for the main thread.

    Parameters
    ----------
    spec : LargeSpec
        From `large_spec`.
    source : ImageSource
        The layer that it was made of.

    Raises
    ------
    ImageError
        If the file cannot be read, or holds another image than the layer.
    """
    from napari_sam2_automask.files.opening import open_file

    array, found = open_file(Path(spec.image), spec.level)
    axes = found or guess_axes(array.shape, array.dtype)
    shape = tuple(int(n) for n in array.shape)
    shown = (*source.shape, int(source.data.shape[-1])) if source.rgb else source.shape
    patch = _patch(source.data, spec.axes, source)
    if shape == shown:
        if np.array_equal(patch, _patch(array, spec.axes, source), equal_nan=_is_float(patch)):
            return spec
    elif "C" in axes and tuple(n for a, n in zip(axes, shape, strict=True) if a != "C") == shown:
        # The reader made a layer of each channel; the pixels tell which this one is.
        left = spec.axes[: axes.index("C")] + "C" + spec.axes[axes.index("C") :]
        same = [
            k
            for k in range(shape[axes.index("C")])
            if np.array_equal(patch, _patch(array, left, source, k), equal_nan=_is_float(patch))
        ]
        if same:
            return replace(spec, axes=left, channel=same[0])
    elif (
        tuple(n for n in shape if n > 1) == tuple(n for n in shown if n > 1)
        and found
        and ("C" not in found or shape[found.index("C")] == 1)
    ):
        return replace(spec, axes=found)
    raise ImageError(
        f"{source.name!r} does not show what its file holds ({spec.image}): save the layer as TIFF first and "
        "open that file"
    )


def _origin(source: ImageSource) -> tuple[float, float, float]:
    """Return where the first pixel of a level lies, measured from that of full resolution."""
    if source.pyramid is None:
        return 0.0, 0.0, 0.0
    scale = [abs(float(step)) for step in source.transform["scale"]]
    own = [size * (1 - 1 / step) / 2 for size, step in zip(scale, source.pyramid.steps, strict=True)]
    rows, columns = source.rows_columns
    letters = _plane_letters(source)
    if "Z" not in letters:
        return 0.0, own[rows], own[columns]
    axis = source.other_axes[letters.index("Z")]
    return _between(source, axis) / scale[axis] * own[axis], own[rows], own[columns]


def _between(source: ImageSource, axis: int) -> float:
    """Return the distance between planes in the unit of the image; the layer's step where it is not known."""
    return source.between(axis) or abs(float(source.transform["scale"][axis]))


def _plane_letters(source: ImageSource) -> str:
    """Return a letter for each axis of planes: Z, T, P where its name says so, or of no known meaning."""
    named = source.letters
    return "".join(named[axis] if named[axis] in "ZTP" else "abcdefgh"[axis] for axis in source.other_axes)


def _interval(source: ImageSource, letters: str) -> float | None:
    """Return the seconds between time points; None if the layer does not tell."""
    if "T" not in letters:
        return None
    axis = source.other_axes[letters.index("T")]
    step = abs(float(source.transform["scale"][axis]))
    return FileScale(interval=step, time_unit=str(source.transform["units"][axis])).seconds


def _patch(array: Any, axes: str, source: ImageSource, channel: int = 0) -> NDArray[Any]:
    """Return the pixels around the middle of the current plane."""
    rows, columns = (slice(max(0, n // 2 - PATCH // 2), n // 2 + PATCH // 2) for n in source.plane_shape)
    planes = dict(zip((axis for axis in axes if axis not in "YXSC"), source.index, strict=True))
    return cut(array, axes, {**planes, "C": channel, "Y": rows, "X": columns})


def _is_float(array: NDArray[Any]) -> bool:
    return array.dtype.kind in "fc"
