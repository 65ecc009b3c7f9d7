"""What the widget remembers from one session to the next: a small JSON file beside napari's settings."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from napari_sam2_automask.disk.atomic import write_one
from napari_sam2_automask.disk.json_file import read_json
from napari_sam2_automask.errors import SettingsError

__all__ = ["Store", "default_store"]

FILE_NAME = "napari-sam2-automask.json"


class Store:
    """Named JSON-able values in one file.

    A file that cannot be read counts as empty and one that cannot be written is left alone: remembering
    choices is a convenience that never stands in the way of a run.

    Parameters
    ----------
    path : Path or None
        The file; None remembers nothing beyond this object's life.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._values: dict[str, Any] = {}
        self.reload()

    @property
    def folder(self) -> Path | None:
        """The folder of the file; None if nothing is remembered."""
        return None if self._path is None else self._path.parent

    def reload(self) -> None:
        """Read the file again: another widget may have written there."""
        if self._path is None:
            return
        try:
            values = read_json(self._path, "remembered choices", SettingsError)
        except SettingsError:
            return
        if isinstance(values, dict):
            self._values = values

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value, or `default` if there is none."""
        return self._values.get(name, default)

    def put(self, **values: Any) -> None:
        """Remember values."""
        if all(name in self._values and self._values[name] == value for name, value in values.items()):
            return
        self.reload()  # what others remembered meanwhile is kept
        self._values.update(values)
        if self._path is None:
            return
        with suppress(OSError):
            content = json.dumps(self._values, indent=1).encode()
            write_one(self._path, content, durable=False, parents=True)


def default_store() -> Store:
    """Return the store in the folder of napari's own settings (honours ``NAPARI_CONFIG``)."""
    from napari.settings import get_settings

    path = get_settings().config_path
    return Store(Path(path).parent / FILE_NAME if path else None)
