"""What a person chose in napari's Preferences, or in our own file where napari has no such page.

The manifest declares every preference with its default. From napari 0.9 on they stand in its window of
preferences, under this plugin's name; before, they can be written by hand into `napari-sam2-automask.json`
beside napari's settings, as ``{"preferences": {"threads": 4}}``.
"""

from __future__ import annotations

import os
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import yaml

from napari_sam2_automask._napari.common.memory import default_store
from napari_sam2_automask.models.catalogue.folders import HOME_VARIABLE, OFFLINE_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LAST_USED", "preference", "use_preferences"]

LAST_USED = "last used"
PLUGIN = "napari-sam2-automask"
_TYPES = {"string": str, "integer": int, "boolean": bool}
_set_by_us: dict[str, str] = {}


@cache
def _declared() -> Mapping[str, tuple[str, Mapping[str, Any]]]:
    """Every preference: the page that it stands on, and what the manifest says of it."""
    text = files("napari_sam2_automask").joinpath("napari.yaml").read_text(encoding="utf-8")
    pages = yaml.safe_load(text)["contributions"]["configurations"]
    return {
        name: (page, about)
        for page, content in pages.items()
        for name, about in content["properties"].items()
    }


def preference(name: str) -> Any:
    """Return what was chosen for one preference, or its default.

    Parameters
    ----------
    name : str
        A property of the manifest's configurations.

    Returns
    -------
    str, int or bool
        What the manifest declares; anything else that stands in our file counts as not chosen.
    """
    page, about = _declared()[name]
    try:
        from napari.settings import get_plugin_settings
    except ImportError:  # before napari 0.9
        value = (default_store().get("preferences") or {}).get(name)
    else:
        try:
            value = getattr(getattr(get_plugin_settings(PLUGIN), page), name)
        except (AttributeError, KeyError, ValueError):  # run from sources that are not installed
            value = None
    return value if _fits(value, about) else about["default"]


def _fits(value: object, about: Mapping[str, Any]) -> bool:
    if type(value) is not _TYPES[about["type"]]:
        return False
    if isinstance(value, int):
        return bool(about.get("minimum", value) <= value <= about.get("maximum", value))
    return value in about.get("enum", [value])


def use_preferences() -> None:
    """Let the rest of the package know: the folder of models, and whether anything may be downloaded.

    An environment variable that somebody else has set holds.
    """
    _tell(HOME_VARIABLE, preference("folder").strip())
    _tell(OFFLINE_VARIABLE, "1" if preference("offline") else "")


def _tell(variable: str, value: str) -> None:
    if os.environ.get(variable) != _set_by_us.get(variable):
        return
    if value:
        os.environ[variable] = _set_by_us[variable] = value
    elif variable in _set_by_us:
        del os.environ[variable], _set_by_us[variable]
