"""What is said to a person: no word of the code, and nothing that outlives its cause."""

from __future__ import annotations

import re

import pytest
from napari_kit import live_result

from napari_sam2_automask import AmgSettings
from napari_sam2_automask._napari.common.plain_words import plain, why_run
from napari_sam2_automask._napari.run.controller import explain
from napari_sam2_automask.errors import NewRunError, SettingsError

#: Names from the code, and what only its makers call so.
CODE = re.compile(r"[a-z]_[a-z]|propos|floor|logit|candidate", re.IGNORECASE)
#: Settings that cannot go together, or are out of range.
REFUSED = [
    {"points_per_side": 300},
    {"points_per_side": None},
    {"points_per_side": 2, "crop_n_layers": 3, "crop_n_points_downscale_factor": 4},
    {"overlap": "all_levels", "nested": "choose"},
    {"min_area": 9, "max_area": 5},
    {"typical_smallest": 9, "typical_largest": 5},
    {"typical_darkest": 9, "typical_brightest": 5},
    {"point_grids": (((0.5, 0.5),),), "points_per_side": None, "crop_n_layers": 1},
    {"pred_iou_thresh": 1.5},
    {"granularity": -1},
]


@pytest.mark.parametrize("changes", REFUSED, ids=lambda changes: next(iter(changes)))
def test_refused_settings_are_told_by_their_titles(changes):
    with pytest.raises(SettingsError) as caught:
        AmgSettings().replace(**changes)
    text = explain(caught.value)
    assert not CODE.search(text), text
    titles = {info.name: info.title for info in AmgSettings.fields()}
    assert any(titles[name] in text for name in changes), text


def test_words_of_the_language_stay():
    assert plain("nested objects overlap") == "nested objects overlap"
    assert plain("nested=choose") == "Objects in objects choose"
    assert plain("max_area=5 is less than min_area=9") == "Largest object 5 is less than Smallest object 9"


def test_which_settings_need_a_run():
    assert why_run(NewRunError("", "points_per_side")) == "Points per side needs another run."
    assert why_run(NewRunError("", "crop_n_layers", "use_m2m")) == (
        "Crop layers and Refine with mask prompts need another run."
    )
    assert why_run(NewRunError("", "renderings", "use_m2m", "fill_gaps")) == (
        "Renderings and 2 other parameters need another run."
    )


def test_what_needs_a_run_is_said_in_words_and_the_words_go_with_the_cause(make_napari_viewer, qtbot):
    widget, _ = live_result(make_napari_viewer(), qtbot)
    ran, live = widget.form.settings, widget.live
    needs = {
        "points_per_side": 64,
        "object_diameter": 20.0,
        "crop_n_layers": 1,
        "renderings": "raw+gamma",
        "multimask_output": False,
        "pred_iou_thresh": 0.1,
        "stability_score_thresh": 0.05,
        "mask_threshold": -8.0,
        "stability_score_offset": 9.0,
    }
    titles = {info.name: info.title for info in AmgSettings.fields()}
    for name, value in needs.items():
        widget._show_settings(ran.adjusted(**{name: value}))
        qtbot.waitUntil(lambda: not live.message.isHidden())
        text = live.message.text()
        assert titles[name] in text and text.endswith("another run.") and not CODE.search(text), text
        assert not live.again.isHidden()
        widget._show_settings(ran)
        qtbot.waitUntil(lambda: live.message.isHidden() and live.again.isHidden())


def test_another_preset_after_a_run_needs_one(make_napari_viewer, qtbot):
    widget, _ = live_result(make_napari_viewer(), qtbot)
    widget.presets.choose("fine")
    widget.presets.chosen.emit()
    qtbot.waitUntil(lambda: not widget.live.again.isHidden())
    assert widget.live.message.text().endswith("another run.")
    assert not CODE.search(widget.live.message.text())
