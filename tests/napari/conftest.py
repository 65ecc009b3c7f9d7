"""What the tests of the window share: how to open many windows in little time."""

from __future__ import annotations

import gc
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING

import npe2
import pytest
from napari_kit import live_result
from pytestqt.qtbot import QtBot

from napari_sam2_automask._napari.common import garbage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


#: Milliseconds that a test waits for the window at most, on a busy machine too; pytest-qt waits 5,000.
PATIENCE = 60_000


@pytest.fixture(autouse=True, scope="session")
def _a_busy_machine_is_waited_for() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for wait in (QtBot.waitUntil, QtBot.waitSignal):
            patch.setitem(wait.__kwdefaults__, "timeout", PATIENCE)
        yield


@pytest.fixture(autouse=True, scope="session")
def _manifests_are_read_once() -> Iterator[None]:
    """Keep what each plugin's manifest says: every viewer of a test looks for all plugins anew."""
    read = cache(npe2.PluginManifest.from_file)

    def from_file(_: type[npe2.PluginManifest], path: Path | str) -> npe2.PluginManifest:
        return read(path).model_copy(deep=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(npe2.PluginManifest, "from_file", classmethod(from_file))
        yield


@pytest.fixture(autouse=True)
def _what_was_is_not_garbage() -> None:
    """Keep what is imported out of the searches for garbage, which napari makes for every layer that goes.

    Each test does so, for more is imported as they run; what an earlier one left is thrown away before.
    """
    from napari.qt import QtViewer

    if not QtViewer._instances:
        gc.collect()
        gc.freeze()


@pytest.fixture(autouse=True)
def _mending_freezes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave what is kept out above as it is when mending ends: Python lets go of all or nothing."""
    but_these = dict.fromkeys(("freeze", "unfreeze"), lambda: None)
    monkeypatch.setattr(garbage, "gc", SimpleNamespace(**{**vars(gc), **but_these}))


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer()


@pytest.fixture
def live(viewer, qtbot):
    """The widget of a viewer in which a run has ended, and the layer that follows."""
    return live_result(viewer, qtbot)
