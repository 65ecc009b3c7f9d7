"""Settings out of a record or a plain JSON object of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.record.record import RECORD_FORMAT, Record
from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["settings_from"]


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
    return Record.of(data).settings if data.get("format") == RECORD_FORMAT else AmgSettings.from_json(data)
