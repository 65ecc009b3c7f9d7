"""What the columns of the table are called in the window."""

from __future__ import annotations

__all__ = ["COLUMNS", "column_title"]

#: Columns that come first, with what they are called and mean; others follow under their own names.
COLUMNS = {
    "index": ("#", "The number of the object: its label in the image."),
    "predicted_iou": ("Sure", "The overlap (IoU) with the true object that the model predicts."),
    "stability_score": ("Stable", "How little the outline moves when the cut is moved."),
    "area": ("Area", "In pixels."),
    "mean_intensity": ("Mean", "The mean intensity."),
    "edited": ("Mended", "What was done to it by hand."),
}
_UNITS = {"_um": " (µm)", "_um2": " (µm²)", "_um3": " (µm³)"}


def column_title(name: str) -> str:
    """Return what a column is called: ``Sure`` for ``predicted_iou``, ``area (µm²)`` for ``area_um2``."""
    if name in COLUMNS:
        return COLUMNS[name][0]
    plain, unit = next(
        ((name.removesuffix(end), sign) for end, sign in _UNITS.items() if name.endswith(end)), (name, "")
    )
    return plain.replace("_", " ") + unit
