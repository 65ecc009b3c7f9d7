"""Preferences: napari's page where it has one, our file elsewhere; anything odd counts as not chosen."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace

import napari.settings
import pytest

from napari_sam2_automask._napari.common import preferences
from napari_sam2_automask._napari.common.memory import Store
from napari_sam2_automask._napari.common.preferences import preference, use_preferences
from napari_sam2_automask.errors import ModelError
from napari_sam2_automask.models.catalogue.downloading import download
from napari_sam2_automask.models.catalogue.folders import HOME_VARIABLE, OFFLINE_VARIABLE, model_folder
from napari_sam2_automask.settings.presets import PRESETS

DEFAULTS = {
    **dict.fromkeys(("model", "preset", "device"), "last used"),
    **{"threads": 0, "remembered_images": 256, "stack_memory": 1000, "folder": "", "offline": False},
}


@pytest.fixture(params=["napari's page", "our file"])
def choose(request, monkeypatch, tmp_path):
    """Choose preferences, in a napari that has a page for them and in one that has none."""
    chosen: dict = {}
    if request.param == "our file":
        monkeypatch.delattr(napari.settings, "get_plugin_settings", raising=False)
        path = tmp_path / "napari-sam2-automask.json"
        monkeypatch.setattr(preferences, "default_store", lambda: Store(path))

        def choose(**values):
            chosen.update(values)
            path.write_text(json.dumps({"preferences": chosen}), encoding="utf-8")
    else:

        def page(plugin):
            assert plugin == "napari-sam2-automask"
            everything = SimpleNamespace(**{**DEFAULTS, **chosen})
            return SimpleNamespace(starting=everything, resources=everything)

        monkeypatch.setattr(napari.settings, "get_plugin_settings", page, raising=False)
        choose = chosen.update
    monkeypatch.setattr(preferences, "_set_by_us", {})
    monkeypatch.delenv(OFFLINE_VARIABLE, raising=False)
    return choose


def test_the_manifest_declares_them_with_their_defaults(choose):
    assert {name: preference(name) for name in DEFAULTS} == DEFAULTS
    page, about = preferences._declared()["preset"]
    assert page == "starting"
    assert set(about["enum"]) <= {"last used", *PRESETS}


def test_what_was_chosen_holds(choose):
    choose(threads=3, model="sam2.1-tiny", offline=True)
    assert (preference("threads"), preference("model"), preference("offline")) == (3, "sam2.1-tiny", True)
    assert preference("device") == "last used"


@pytest.mark.parametrize(
    ("name", "value"),
    [("threads", True), ("threads", -1), ("threads", 2.5), ("threads", "four"), ("model", "bundle"),
     ("offline", 1), ("folder", None), ("remembered_images", 10**9)],
)  # fmt: skip
def test_what_makes_no_sense_counts_as_not_chosen(choose, name, value):
    choose(**{name: value})
    assert preference(name) == DEFAULTS[name]


def test_napari_itself_knows_them():
    """In this napari the page is made from the manifest; the names agree."""
    get = getattr(napari.settings, "get_plugin_settings", None)
    if get is None:
        assert {name: preference(name) for name in DEFAULTS} == DEFAULTS
        return
    mine = get("napari-sam2-automask")
    names = {name: getattr(getattr(mine, page), name) for name, (page, _) in preferences._declared().items()}
    assert names == DEFAULTS


def test_models_go_to_the_folder_chosen_and_nothing_is_downloaded_offline(choose, monkeypatch, tmp_path):
    monkeypatch.delenv(HOME_VARIABLE, raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    usual = model_folder()
    choose(folder=str(tmp_path / "lab"), offline=True)
    use_preferences()
    assert model_folder() == tmp_path / "lab" / "models"
    with pytest.raises(ModelError, match="nothing is to be downloaded"):
        download("sam2.1-tiny")
    assert not (tmp_path / "lab").exists()
    choose(folder="", offline=False)
    use_preferences()
    assert model_folder() == usual
    assert OFFLINE_VARIABLE not in os.environ


def test_a_variable_of_somebody_else_holds(choose, monkeypatch, tmp_path):
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "theirs"))
    choose(folder=str(tmp_path / "mine"))
    use_preferences()
    assert model_folder() == tmp_path / "theirs" / "models"


def test_a_new_widget_shows_what_is_preferred_and_else_what_was_last(choose, make_napari_viewer_proxy):
    from napari_sam2_automask._napari import AutomaskWidget

    viewer, store = make_napari_viewer_proxy(), Store()
    store.put(preset="fine", model="bundled", device="cpu")
    widget = AutomaskWidget(viewer, store=store)
    viewer.window.add_dock_widget(widget)
    assert (widget.presets.preset.name, widget.models.device) == ("fine", "cpu")
    choose(preset="coarse")
    widget = AutomaskWidget(viewer, store=store)
    viewer.window.add_dock_widget(widget)
    assert (widget.presets.preset.name, widget.models.device) == ("coarse", "cpu")
