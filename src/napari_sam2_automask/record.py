"""The record of a run: everything needed to know what was done, and to do it again."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.image.view import image_hash
from napari_sam2_automask.settings.amg import AmgSettings

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from napari_sam2_automask.models import Model
    from napari_sam2_automask.settings.presets import Preset

__all__ = [
    "RECORD_FORMAT",
    "RECORD_VERSION",
    "json_ready",
    "make_record",
    "package_versions",
    "settings_from",
]

RECORD_FORMAT = "napari-sam2-automask record"
RECORD_VERSION = 1

# What can change a result; the rest of the environment cannot.
_PACKAGES = (
    "napari-sam2-automask",
    "sam2",
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "scikit-image",
    "napari",
)


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
        Further entries, such as ``contrast_limits``; those that are None are left out.

    Returns
    -------
    dict
        Ready for `json.dumps`. ``record["settings"]`` is what `AmgSettings.from_json` reads.
    """
    described = model if model is None or isinstance(model, Mapping) else model.description()
    record: dict[str, Any] = {
        "format": RECORD_FORMAT,
        "format_version": RECORD_VERSION,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": settings.to_json(),
        "preset": preset if preset is None or isinstance(preset, str) else preset.name,
        "model": described,
        "image": _describe_image(image, image_name),
        "packages": package_versions(),
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    record.update({key: value for key, value in more.items() if value is not None})
    ready: dict[str, Any] = json_ready(record)
    return ready


def settings_from(data: Any) -> AmgSettings:
    """Read settings from a record or from a plain dictionary of settings.

    Parameters
    ----------
    data : mapping
        What `make_record` or `AmgSettings.to_json` gave, after a round trip through JSON if need be.

    Raises
    ------
    SettingsError
        If it is neither, is of a newer version, or holds an unknown or wrong value.
    """
    if not isinstance(data, Mapping):
        raise SettingsError(
            "this holds no settings: give a record or a JSON object of parameter names and values"
        )
    if data.get("format") == RECORD_FORMAT:
        if not isinstance(data.get("format_version"), int) or data["format_version"] > RECORD_VERSION:
            found = data.get("format_version")
            raise SettingsError(
                f"the record has format version {found!r}, but only up to {RECORD_VERSION} can be read: "
                "update napari-sam2-automask"
            )
        data = data.get("settings", {})
        if not isinstance(data, Mapping):
            raise SettingsError("the record's settings are damaged: use a record that was not edited")
    return AmgSettings.from_json(data)


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that can change a result, without importing them."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def json_ready(value: Any) -> Any:
    """Return `value` with NumPy scalars, arrays, tuples and paths turned into what JSON knows.

    NaN and infinity, which JSON does not know, become None.
    """
    if isinstance(value, Mapping):
        return {str(key): json_ready(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return json_ready(value.tolist())
    if isinstance(value, np.generic):
        return json_ready(value.item())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Sequence | set | frozenset):
        return [json_ready(item) for item in value]
    if isinstance(value, PurePath):
        return value.as_posix()
    return str(value)


def _describe_image(image: ArrayLike | None, name: str | None) -> dict[str, Any]:
    if image is None:
        return {"name": name}
    array = np.asarray(image)
    return {"name": name, "sha256": image_hash(array), "shape": list(array.shape), "dtype": array.dtype.name}
