"""Settings out of a record or a plain JSON object of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.record.record import RECORD_FORMAT, Record
from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["settings_from"]


def settings_from(data: Any, name: str = "this") -> AmgSettings:
    """Read settings from a record or from a plain dictionary of settings.

    Parameters
    ----------
    data : mapping
        What `make_record` or `AmgSettings.to_json` gave, after a round trip through JSON if need be.
    name : str
        What to call it in messages, such as its path.

    Raises
    ------
    SettingsError
        If it is neither, is of a newer version, or holds an unknown or wrong value.
    """
    if not isinstance(data, Mapping):
        raise SettingsError(
            f"{name} holds no settings: give a record or a JSON object of parameter names and values"
        )
    if data.get("format") == RECORD_FORMAT:
        return Record.of(data, name).settings
    try:
        return AmgSettings.from_json(data)
    except SettingsError as error:
        raise SettingsError(f"{name}: {error}") from error
