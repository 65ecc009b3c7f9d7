"""The models: which there are, getting them, checking them, loading them.

The names below are imported when they are first used: listing the models loads neither torch nor sam2.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOME_OF = {
    "Model": "model",
    "ModelEntry": "registry",
    "build_official": "building",
    "describe_device": "devices",
    "download": "downloading",
    "import_sam2": "sam2_import",
    "list_models": "registry",
    "load_model": "loading",
    "meta_generator": "meta",
    "model_folder": "registry",
    "resolve_device": "devices",
    "verify": "verifying",
}
__all__ = [
    "Model",
    "ModelEntry",
    "build_official",
    "describe_device",
    "download",
    "import_sam2",
    "list_models",
    "load_model",
    "meta_generator",
    "model_folder",
    "resolve_device",
    "verify",
]

if TYPE_CHECKING:
    from napari_sam2_automask.models.building import build_official
    from napari_sam2_automask.models.devices import describe_device, resolve_device
    from napari_sam2_automask.models.downloading import download
    from napari_sam2_automask.models.loading import load_model
    from napari_sam2_automask.models.meta import meta_generator
    from napari_sam2_automask.models.model import Model
    from napari_sam2_automask.models.registry import ModelEntry, list_models, model_folder
    from napari_sam2_automask.models.sam2_import import import_sam2
    from napari_sam2_automask.models.verifying import verify


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
