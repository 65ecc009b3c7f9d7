"""The axes of a TIFF's series: their letters, and those of one position that tifffile leaves out."""

from __future__ import annotations

from typing import Any

from napari_sam2_automask.files.axis_names import axis_letters

__all__ = ["letters_of", "single_axes"]

#: What tifffile calls sequences of no known meaning.
_UNKNOWN = ("I", "Q")
#: Kinds of series, as tifffile calls them, whose files tell how many positions all their axes have.
_TELLING = ("ome", "imagej", "lsm", "mmstack", "ndtiff", "fluoview")


def letters_of(axes: Any) -> str:
    """Return one letter for each axis that tifffile tells of, as `axis_letters` does.

    Parameters
    ----------
    axes : str or sequence of str
        Letters, or whole names, which tifffile takes from files that hold them.
    """
    return axis_letters(["other" if axis in _UNKNOWN else axis for axis in axes])


def single_axes(series: Any) -> str:
    """Return the axes of one position that a file tells of and its series does not show.

    OME, ImageJ and microscopes tell of time, sections and channels, be there one or many. Samples, and
    sequences of no known meaning, are not told of if there is one; nor is anything by slide scanners.
    """
    if series.kind not in _TELLING:
        return ""
    axes, shape = _unsqueezed(series)
    told = zip(letters_of(axes), shape, strict=True)
    shown = letters_of(series.axes)
    return "".join(axis for axis, n in told if n == 1 and axis.isupper() and axis not in "YXS" + shown)


def _unsqueezed(series: Any) -> tuple[Any, tuple[int, ...]]:
    """Return axes and shape of a series with its axes of one position."""
    if hasattr(series, "get_axes"):  # tifffile before 2026.5
        return series.get_axes(squeeze=False), series.get_shape(squeeze=False)
    every = series.parent.series
    whole = next(
        (full for one, full in zip(every, every(squeeze=False), strict=True) if one is series), series
    )
    return whole.axes, whole.shape
