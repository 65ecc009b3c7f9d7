"""The widget driven in a real viewer, with a segmenter that obeys the test."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from napari.layers import Image
from napari.utils.notifications import notification_manager
from napari_kit import POINTS, ObedientSegmenter, dock, finish, half_way, labels_of, rows, run

from napari_sam2_automask._napari.common.memory import Store
from napari_sam2_automask._napari.run.place_result import RECORD_KEY
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.settings.amg import AmgSettings
from napari_sam2_automask.settings.presets import PRESETS

IMAGE = np.full((32, 48), 100, np.uint8)


@pytest.fixture
def segmenter():
    segmenter = ObedientSegmenter()
    yield segmenter
    segmenter.open.set()


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    return make_napari_viewer_proxy()


@pytest.fixture
def messages():
    """Return what was said to the person since the test began."""
    start = len(notification_manager.records)
    return lambda: [str(note.message) for note in list(notification_manager.records)[start:]]


def test_a_run_gives_labels_with_features_and_record(viewer, qtbot, segmenter):
    viewer.add_image(IMAGE, name="cells")
    widget = dock(viewer, segmenter)
    run(qtbot, widget)
    (labels,) = labels_of(viewer)
    assert labels.name == "cells - balanced, bundled"
    assert sorted(np.unique(labels.data)) == [1, 2, 3, 4]
    assert list(rows(labels)["index"]) == [1, 2, 3, 4]
    assert labels.metadata[RECORD_KEY]["settings"] == widget.form.settings.to_json()
    assert "predicted_iou: 0.88" in str(labels.get_status((2, 40), world=True))
    assert "4 objects" in widget.run_panel.status.text()
    assert segmenter.threads == {"sam2-automask"}


def test_the_button_cancels_and_what_was_found_is_kept(viewer, qtbot, segmenter):
    viewer.add_image(IMAGE, name="cells")
    widget = dock(viewer, segmenter)
    segmenter.open.clear()
    half_way(qtbot, widget)
    assert widget.run_panel.button.text() == "Cancel"
    assert widget.run_panel.bar.maximum() == POINTS
    assert f"{POINTS // 2} of {POINTS} points" in widget.run_panel.status.text()
    widget.run_panel.button.click()
    finish(qtbot, widget)
    (labels,) = labels_of(viewer)
    assert labels.name == "cells - balanced, bundled (partial)"
    assert list(rows(labels)["index"]) == [1, 2]
    assert "Cancelled" in widget.run_panel.status.text()
    segmenter.open.set()
    run(qtbot, widget)
    assert [layer.name for layer in labels_of(viewer)][-1] == "cells - balanced, bundled"


def test_napari_shows_the_progress_too(viewer, qtbot, segmenter):
    from napari.utils.progress import progress

    viewer.add_image(IMAGE, name="cells")
    widget = dock(viewer, segmenter)
    segmenter.open.clear()
    half_way(qtbot, widget)
    (bar,) = progress._all_instances
    assert (bar.n, bar.total, bar.desc) == (POINTS // 2, POINTS, "Segmenting cells")
    segmenter.open.set()
    finish(qtbot, widget)
    assert not progress._all_instances


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA out of memory. Tried to allocate 20 GiB"),
        ValueError("a bug"),
        ImageError("the plane is empty: choose another"),
        MemoryError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_shown_and_the_next_run_works(viewer, qtbot, segmenter, messages, error):
    viewer.add_image(IMAGE, name="cells")
    widget = dock(viewer, segmenter)
    segmenter.error = error
    run(qtbot, widget)
    assert not labels_of(viewer)
    (message,) = messages()
    assert message == widget.run_panel.status.text()
    assert "\n" not in message
    if "memory" in str(error).lower() or isinstance(error, MemoryError):
        assert "Not enough memory" in message
    else:
        assert str(error) in message
    assert widget.run_panel.button.text() == "Run"
    run(qtbot, widget)
    assert len(labels_of(viewer)) == 1


def test_an_error_frees_what_its_frames_held(viewer, qtbot, segmenter):
    held = []

    class Big:
        pass

    def failing(plane, request, progress):
        big = Big()
        held.append(weakref.ref(big))
        try:
            raise KeyError("first")
        except KeyError:
            raise RuntimeError("out of memory") from None

    viewer.add_image(IMAGE)
    widget = dock(viewer, failing)
    run(qtbot, widget)
    gc.collect()
    assert held[0]() is None


def test_the_image_removed_while_running(viewer, qtbot, segmenter):
    viewer.add_image(IMAGE, name="cells", scale=(2, 3))
    widget = dock(viewer, segmenter)
    segmenter.open.clear()
    half_way(qtbot, widget)
    viewer.layers.clear()
    viewer.add_image(IMAGE * 0, name="cells")  # another layer of the same name
    segmenter.open.set()
    finish(qtbot, widget)
    (labels,) = labels_of(viewer)
    assert labels.data.any()
    np.testing.assert_allclose(labels.scale, (2, 3))
    assert "removed meanwhile" in widget.run_panel.status.text()


def test_the_image_renamed_while_running(viewer, qtbot, segmenter):
    viewer.add_image(IMAGE, name="cells")
    widget = dock(viewer, segmenter)
    segmenter.open.clear()
    half_way(qtbot, widget)
    viewer.layers[0].name = "other"
    segmenter.open.set()
    finish(qtbot, widget)
    assert len(labels_of(viewer)) == 1
    assert "removed" not in widget.run_panel.status.text()


def test_the_viewer_closed_while_running(make_napari_viewer, qtbot, segmenter):
    viewer = make_napari_viewer()
    viewer.add_image(IMAGE)
    widget = dock(viewer, segmenter)
    controller = widget.session.controller
    segmenter.open.clear()
    half_way(qtbot, widget)
    work = controller._run
    viewer.close()
    qtbot.waitUntil(lambda: work.finished)
    assert work.cancelled
    assert not controller.running
    assert not labels_of(viewer)


def test_the_dock_closed_while_running(make_napari_viewer, qtbot, segmenter):
    viewer = make_napari_viewer()
    viewer.add_image(IMAGE)
    widget = dock(viewer, segmenter)
    controller = widget.session.controller
    segmenter.open.clear()
    half_way(qtbot, widget)
    work = controller._run
    viewer.window.remove_dock_widget(widget)
    widget.deleteLater()
    del widget
    qtbot.waitUntil(lambda: work.finished)
    assert work.cancelled
    # The viewer goes on, and its events reach nobody who is gone.
    viewer.add_image(IMAGE)
    viewer.layers[0].name = "renamed"
    viewer.layers.clear()


def test_a_closed_widget_listens_to_nothing(make_napari_viewer, segmenter):
    viewer = make_napari_viewer()
    layer = viewer.add_image(IMAGE)
    groups = (
        viewer.events,
        viewer.dims.events,
        viewer.layers.events,
        viewer.layers.selection.events,
        layer.events,
    )

    def ours():
        """Return what of this package is told of events."""
        found = []
        for emitter in (emitter for group in groups for emitter in group.emitters.values()):
            for callback in emitter.callbacks:
                owner = callback[0]() if isinstance(callback, tuple) else callback
                module = getattr(owner, "__module__", "") or ""
                if module.startswith("napari_sam2_automask"):
                    found.append(callback)
        return found

    widget = dock(viewer, segmenter)
    assert ours()
    widget.shut_down()
    assert not ours()


def test_the_same_settings_replace_the_data(viewer, qtbot, segmenter):
    viewer.add_image(IMAGE)
    widget = dock(viewer, segmenter)
    run(qtbot, widget)
    first = labels_of(viewer)[0]
    before = first.data
    run(qtbot, widget)
    assert labels_of(viewer) == [first]
    assert first.data is not before


def test_an_edited_layer_is_never_replaced(viewer, qtbot, segmenter):
    viewer.add_image(IMAGE)
    widget = dock(viewer, segmenter)
    run(qtbot, widget)
    first = labels_of(viewer)[0]
    first.paint((5, 5), 9)
    run(qtbot, widget)
    assert len(labels_of(viewer)) == 2
    assert first.data[5, 5] == 9
    # From then on it is the new layer that is replaced.
    run(qtbot, widget)
    assert len(labels_of(viewer)) == 2


def test_a_removed_result_is_added_again(viewer, qtbot, segmenter):
    viewer.add_image(IMAGE)
    widget = dock(viewer, segmenter)
    run(qtbot, widget)
    segmenter.open.clear()
    half_way(qtbot, widget)
    viewer.layers.remove(labels_of(viewer)[0])
    segmenter.open.set()
    finish(qtbot, widget)
    assert len(labels_of(viewer)) == 1


def test_other_settings_add_a_layer_named_after_them(viewer, qtbot, segmenter):
    viewer.add_image(IMAGE, name="cells")
    widget = dock(viewer, segmenter)
    run(qtbot, widget)
    widget.form.widgets["points_per_side"].value = 7
    run(qtbot, widget)
    names = [layer.name for layer in labels_of(viewer)]
    assert names == ["cells - balanced, bundled", "cells - custom (from balanced), bundled"]


def test_no_object_says_what_each_filter_removed(viewer, qtbot, segmenter, messages):
    viewer.add_image(np.zeros((20, 20), np.uint8), name="dark")
    widget = dock(viewer, segmenter)
    run(qtbot, widget)
    assert not labels_of(viewer)
    (message,) = messages()
    assert "'dark'" in message
    assert "box NMS 12" in message
    assert "predicted IoU 7" in message
    assert "stability" not in message


def test_the_choice_follows_the_active_layer_until_pinned(viewer, segmenter):
    one, two = viewer.add_image(IMAGE, name="one"), viewer.add_image(IMAGE, name="two")
    widget = dock(viewer, segmenter)
    choice = widget.images.layer_choice
    assert choice.layer.name == "two"
    viewer.layers.selection.active = one
    assert choice.layer.name == "one"
    viewer.layers.selection.active = viewer.add_labels(np.zeros((4, 4), np.uint8))
    assert choice.layer.name == "one"
    choice.pin.setChecked(True)
    viewer.layers.selection.active = two
    assert choice.layer.name == "one"
    viewer.layers["one"].name = "renamed"
    assert choice.combo.currentText() == "renamed"
    viewer.layers.remove("renamed")
    assert choice.layer.name == "two"
    assert not choice.pin.isChecked()


@pytest.mark.parametrize("kind", ["nothing", "labels", "points"])
def test_without_an_image_there_is_a_clear_answer(viewer, segmenter, messages, kind):
    if kind == "labels":
        viewer.add_labels(np.ones((4, 4), np.uint8), name="mine")
    elif kind == "points":
        viewer.add_points([[1, 1]], name="mine")
    widget = dock(viewer, segmenter)
    widget.run_panel.button.click()
    assert not widget.running
    (message,) = messages()
    assert "no image to segment" in message
    assert ("'mine' is a" in message) == (kind != "nothing")


def test_presets_custom_and_back(viewer, segmenter):
    viewer.add_image(IMAGE)
    widget = dock(viewer, segmenter)
    presets = widget.presets
    presets.buttons["fine"].click()
    fine = PRESETS["fine"].for_model("bundled")
    assert widget.form.settings == fine
    assert "size of the objects" in presets.cost.toolTip()
    assert presets.buttons["fine"].toolTip() == PRESETS["fine"].purpose
    assert presets.buttons["fine"].isChecked() and presets.state.isHidden()
    widget.form.widgets["pred_iou_thresh"].value = 0.11
    assert presets.state.text() == "custom (from Fine)"
    assert not presets.reset.isHidden()
    presets.reset.click()
    assert presets.told == "Fine"
    assert widget.form.settings == fine
    assert presets.reset.isHidden()
    # Back by hand is back as well.
    widget.form.widgets["pred_iou_thresh"].value = 0.11
    widget.form.widgets["pred_iou_thresh"].value = fine.pred_iou_thresh
    assert presets.told == "Fine"


def test_every_preset_is_shown_as_it_is(viewer, segmenter):
    widget = dock(viewer, segmenter)
    for name, preset in PRESETS.items():
        widget.presets.choose(name)
        widget._load_preset()
        assert widget.form.settings == preset.for_model(widget.models.family)
        assert not widget.presets.custom


def test_choices_persist(make_napari_viewer_proxy, tmp_path, segmenter):
    path = tmp_path / "choices.json"
    viewer = make_napari_viewer_proxy()
    first = dock(viewer, segmenter, Store(path))
    first.presets.choose("coarse")
    first._load_preset()
    first.form.widgets["crop_n_layers"].value = 1
    first.images.contrast_combo.setCurrentIndex(1)
    first.models.choose("sam2.1-tiny", "cpu")
    first.shut_down()
    second = dock(viewer, segmenter, Store(path))
    assert second.form.settings == first.form.settings
    assert second.presets.state.text() == "custom (from Coarse)"
    assert (second.models.model, second.models.device, second.images.contrast) == (
        "sam2.1-tiny",
        "cpu",
        "percentiles",
    )


@pytest.mark.parametrize(
    "content", ["", "[]", '{"custom": {"no_such": 1}, "preset": "gone", "model": "gone"}']
)
def test_a_damaged_store_is_no_obstacle(viewer, tmp_path, segmenter, content):
    path = tmp_path / "choices.json"
    path.write_text(content)
    widget = dock(viewer, segmenter, Store(path))
    assert isinstance(widget.form.settings, AmgSettings)
    assert widget.models.model == "bundled"


def test_a_second_widget_waits_for_the_first(viewer, qtbot, segmenter):
    viewer.add_image(IMAGE, name="cells")
    other = ObedientSegmenter()
    first, second = dock(viewer, segmenter), dock(viewer, other)
    segmenter.open.clear()
    half_way(qtbot, first)
    second.run_panel.button.click()
    qtbot.waitUntil(lambda: "Waiting" in second.run_panel.status.text())
    assert not other.requests
    segmenter.open.set()
    finish(qtbot, first)
    finish(qtbot, second)
    assert len(other.requests) == 1
    assert isinstance(viewer.layers[0], Image)
