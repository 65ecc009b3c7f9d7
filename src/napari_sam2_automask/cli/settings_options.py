"""Every parameter of `AmgSettings` as a command line option, made from its definition."""

# No `from __future__ import annotations`: typer reads the annotations at run time.
import ast
import inspect
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_sam2_automask.disk.json_file import read_json
from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.record.settings_in import settings_from
from napari_sam2_automask.settings.amg import AmgSettings, FieldInfo
from napari_sam2_automask.settings.fields import GROUPS
from napari_sam2_automask.settings.numbers import shown
from napari_sam2_automask.settings.physical import AUTO, Unmeasured, read_values
from napari_sam2_automask.settings.presets import PRESETS, Preset
from napari_sam2_automask.settings.units import Quantity

__all__ = [
    "choose_settings",
    "flag_of",
    "settings_options",
]

_KIND = "a record or a JSON file"


def flag_of(info: FieldInfo) -> str:
    """Return the option of a parameter, such as ``--points-per-side``."""
    return "--" + info.name.replace("_", "-")


def settings_options() -> list[inspect.Parameter]:
    """Return an option for each parameter of `AmgSettings`, as arguments of a command; None if not given."""
    return [
        inspect.Parameter(info.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_option(info))
        for info in AmgSettings.fields()
    ]


def choose_settings(
    preset: str | None, file: Path | None, parameters: Mapping[str, Any]
) -> AmgSettings | Preset | Unmeasured:
    """Return the settings that the options ask for.

    Parameters
    ----------
    preset : str or None
        The preset's name.
    file : Path or None
        A record or a JSON file of settings, in the preset's place.
    parameters : mapping
        Values that change single parameters; None where an option was not given. One of the grid or the crops
        turns fitting them to the objects off, unless that is asked for too.

    Returns
    -------
    AmgSettings, Preset or Unmeasured
        The last if some are in physical units: `measured` turns them into pixels, for each image by itself.

    Raises
    ------
    SettingsError
        If a name or value is wrong, both a preset and a file are given, or the file cannot be read.
    """
    changes = read_values(
        {name: _plain(name, value) for name, value in parameters.items() if value is not None}
    )
    if "point_grids" in changes:
        changes.setdefault("points_per_side", None)
    if file is not None:
        if preset is not None:
            raise SettingsError("--preset and --settings exclude each other: give one of them")
        return _changed(settings_from(read_json(file, _KIND, SettingsError), str(file)), changes)
    name = preset or "balanced"
    if name not in PRESETS:
        raise SettingsError(f"no preset named {name!r}: choose from {', '.join(PRESETS)}")
    return _changed(PRESETS[name], changes) if changes else PRESETS[name]


def _changed(base: AmgSettings | Preset, changes: dict[str, Any]) -> AmgSettings | Preset | Unmeasured:
    """Return changed settings; what is wrong with those in pixels is said before any image is read."""
    plain = {name: value for name, value in changes.items() if not isinstance(value, Quantity)}
    changed = base.adjusted(**plain)
    return changed if len(plain) == len(changes) else Unmeasured(base, changes)


def _option(info: FieldInfo) -> Any:
    """Return the annotation from which typer makes the option."""
    panel = f"Parameters: {GROUPS[info.group].lower()}"
    details: dict[str, Any] = {"rich_help_panel": panel, "show_default": False}
    text = info.help + (f" Unit: {info.unit}." if info.unit else "")
    if info.kind is bool:
        name = flag_of(info)
        return Annotated[bool | None, typer.Option(f"{name}/--no-{name[2:]}", help=text, **details)]
    if info.reader is not None:
        return Annotated[str | None, typer.Option(flag_of(info), metavar="LIST", help=text, **details)]
    if info.kind is tuple:
        text += " Give the lists themselves, or a JSON file."
        return Annotated[str | None, typer.Option(flag_of(info), help=text, **details)]
    if info.kind is str:
        choices = Enum(info.name, {choice: choice for choice in info.choices})  # type: ignore[misc]
        return Annotated[choices | None, typer.Option(flag_of(info), help=text, **details)]
    # The range is checked by AmgSettings, so that the message is the same everywhere; here it is only shown.
    details["help"] = f"{text} Range: {_number(info.minimum)} to {_number(info.maximum)}."
    if info.power:
        kind, example = ("AREA", "20 um2") if info.power == 2 else ("LENGTH", "8 um")
        details["help"] += f" Or with a unit of length: '{example}'."
        if info.name == "object_diameter":
            details["help"] += f" {AUTO}: estimate it."
        return Annotated[str | None, typer.Option(flag_of(info), metavar=f"PIXELS|{kind}", **details)]
    return Annotated[info.kind | None, typer.Option(flag_of(info), **details)]


def _number(value: float | None) -> str:
    return "" if value is None else f"{int(value):,}" if value == int(value) else f"{value:g}"


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    reader = next(info.reader for info in AmgSettings.fields() if info.name == name)
    if reader is not None:
        return reader(value)
    if name != "point_grids":
        return value
    if not value.lstrip().startswith(("[", "(")):
        return _grids_in(Path(value))
    try:
        return ast.literal_eval(value)  # lists as JSON and as Python write them
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise SettingsError(f"point_grids is {shown(value)}: give nested lists of (x, y)") from error


def _grids_in(path: Path) -> Any:
    """Return the point grids that a JSON file holds."""
    info = next(one for one in AmgSettings.fields() if one.name == "point_grids")
    grids = read_json(path, _KIND, SettingsError)
    try:
        return info.check(grids or ())
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error
