"""Describing a run so that it can be repeated."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.image.view import image_hash
from napari_sam2_automask.record.environment import json_ready, package_versions
from napari_sam2_automask.record.record import RECORD_FORMAT, RECORD_VERSION, Record

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from napari_sam2_automask.models import Model
    from napari_sam2_automask.settings.amg import AmgSettings
    from napari_sam2_automask.settings.presets import Preset

__all__ = ["make_record"]


def make_record(
    settings: AmgSettings,
    *,
    preset: Preset | str | None = None,
    model: Model | Mapping[str, Any] | None = None,
    image: ArrayLike | None = None,
    image_name: str | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Describe a run so that it can be repeated.

    Parameters
    ----------
    settings : AmgSettings
        The settings used.
    preset : Preset or str, optional
        The preset they come from.
    model : Model or mapping, optional
        The model, or its description.
    image : array_like, optional
        The image as it was given, before any stretching; its hash, shape and dtype are recorded.
    image_name : str, optional
        The name of its file or layer.
    **more
        Further entries of `Record`, such as ``contrast_limits``; those that are None are left out.

    Returns
    -------
    dict
        Ready for `json.dumps`; `Record.of` reads it. ``record["settings"]`` is what `AmgSettings.from_json`
        reads.
    """
    described = model if model is None or isinstance(model, Mapping) else model.description()
    further = {key: json_ready(value) for key, value in more.items() if value is not None}
    known = {
        "format": RECORD_FORMAT,
        "format_version": RECORD_VERSION,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": settings,
        "preset": preset if preset is None or isinstance(preset, str) else preset.name,
        "model": json_ready(described),
        "image": _describe_image(image, image_name),
        "packages": package_versions(),
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    return Record.model_validate(known | further).to_json()


def _describe_image(image: ArrayLike | None, name: str | None) -> dict[str, Any]:
    if image is None:
        return {"name": name}
    array = np.asarray(image)
    return {"name": name, "sha256": image_hash(array), "shape": list(array.shape), "dtype": array.dtype.name}
