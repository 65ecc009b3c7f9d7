"""One's own presets: settings with a name and a sentence on what they are for, in a JSON file to share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2_automask.disk.atomic import write_one
from napari_sam2_automask.disk.json_file import json_bytes, read_json
from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.settings.amg import AmgSettings
from napari_sam2_automask.settings.numbers import shown
from napari_sam2_automask.settings.presets import Preset

if TYPE_CHECKING:
    import os

    from napari_sam2_automask.settings.presets import HasPresets

__all__ = ["load_preset", "save_preset"]

_FORMAT = "sam2-automask-preset"


def save_preset(preset: Preset, path: str | os.PathLike[str], model: str | HasPresets = "sam2") -> Path:
    """Write a preset to a JSON file.

    Parameters
    ----------
    preset : Preset
        Name, title, purpose and settings.
    path : path
        The file; one that exists is replaced.
    model : str or HasPresets
        The model, or the family of models, whose settings are written.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    path = Path(path)
    content = {
        "format": _FORMAT,
        "version": 1,
        "name": preset.name,
        "title": preset.title,
        "purpose": preset.purpose,
        "settings": preset.for_model(model).to_json(),
    }
    write_one(path.resolve(), json_bytes(content, indent=2))  # where a link leads to, as one writes into it
    return path


def load_preset(path: str | os.PathLike[str]) -> Preset:
    """Read a preset that :func:`save_preset` wrote.

    Raises
    ------
    SettingsError
        If the file is missing, is no preset, or holds settings that are not allowed; the message names it.
    """
    path = Path(path)
    content = read_json(path, "a saved preset", SettingsError)
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise SettingsError(f"{path.name} is not a preset: choose a file that was saved as one")
    if content.get("version") != 1:
        raise SettingsError(
            f"{path.name} is in version {shown(content.get('version'))} of the format, this is version 1: "
            "update napari-sam2-automask"
        )
    settings = content.get("settings")
    if not isinstance(settings, dict):
        raise SettingsError(f"{path.name} holds no settings: save the preset again")
    try:
        checked = AmgSettings.from_json(settings)
    except SettingsError as error:
        raise SettingsError(f"{path.name}: {error}") from error
    name = str(content.get("name") or path.stem)
    return Preset(name, str(content.get("title") or name), str(content.get("purpose") or ""), checked)
