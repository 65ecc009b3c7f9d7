"""SAM 2 automatic mask generation for napari: everything in an image, segmented.

Three verbs: `propose` runs the model once and keeps every mask worth keeping, `select` chooses among them,
`paint` turns the chosen ones into a label image with a table. `segment` is the three in a row.

The names below are imported when they are first used, so that importing the package loads neither torch nor
napari.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

try:
    __version__ = version("napari-sam2-automask")
except PackageNotFoundError:  # used from a source tree that is not installed
    __version__ = "0.0.0"

_HOME_OF = {
    "segment": "api",
    "propose": "api",
    "select": "selection",
    "paint": "painting",
    "Segmentation": "painting",
    "Candidates": "candidates",
    "Masks": "selection",
    "load_model": "models",
    "AmgSettings": "settings",
    "PRESETS": "presets",
    "Preset": "presets",
    "AutomaskError": "errors",
    "Cancelled": "progress",
    "Progress": "progress",
}
__all__ = ["__version__", *_HOME_OF]

if TYPE_CHECKING:
    from napari_sam2_automask.api import propose as propose
    from napari_sam2_automask.api import segment as segment
    from napari_sam2_automask.candidates import Candidates as Candidates
    from napari_sam2_automask.errors import AutomaskError as AutomaskError
    from napari_sam2_automask.models import load_model as load_model
    from napari_sam2_automask.painting import Segmentation as Segmentation
    from napari_sam2_automask.painting import paint as paint
    from napari_sam2_automask.presets import PRESETS as PRESETS
    from napari_sam2_automask.presets import Preset as Preset
    from napari_sam2_automask.progress import Cancelled as Cancelled
    from napari_sam2_automask.progress import Progress as Progress
    from napari_sam2_automask.selection import Masks as Masks
    from napari_sam2_automask.selection import select as select
    from napari_sam2_automask.settings import AmgSettings as AmgSettings


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
