"""Learn from these in the widget: what goes to the process that learns, how it shows, what is refused."""

from __future__ import annotations

import threading
from functools import partial

import numpy as np
import pandas as pd
import pytest
from learned_cards import learned_card
from napari.layers import Image, Labels
from napari_kit import dock, live_result
from safetensors.numpy import save_file

from napari_sam2_automask import PRESETS, Cancelled, Progress
from napari_sam2_automask._napari.layers.snapshot import take_source
from napari_sam2_automask._napari.learn import panel as learn_panel
from napari_sam2_automask._napari.learn.examples import edited_in, is_mended, take_example
from napari_sam2_automask._napari.learn.words import Words
from napari_sam2_automask.errors import LearningError
from napari_sam2_automask.image.region import Region
from napari_sam2_automask.learning.own_process import Learned
from napari_sam2_automask.learning.reports import LearningProgress
from napari_sam2_automask.models import own_path
from napari_sam2_automask.settings.amg import AmgSettings

WAIT = 30_000
FIRST = np.zeros((60, 80), np.uint8)
TWO = np.zeros((60, 80), np.int32)
TWO[5:15, 5:15], TWO[30:50, 40:60] = 4, 9
FIRST[TWO > 0] = 200


class Stand:
    """Takes what is to be learned, and learns it when the test lets it."""

    def __init__(self) -> None:
        self.tasks = []
        self.open = threading.Event()
        self.error: Exception | None = None

    def __call__(self, task, progress) -> Learned:
        self.tasks.append(task)
        progress(Progress("points", 1, 9))
        try:
            while not self.open.wait(0.01):
                progress(LearningProgress("learn", 7, 80, 0.25, 0.5, 0.75))
        except Cancelled:
            pass
        if self.error is not None:
            raise self.error
        return kept(task)


def kept(task) -> Learned:
    """Put a model among those of this computer that says it was learned, without learning."""
    balanced = PRESETS["balanced"].for_model("bundled").replace(pred_iou_thresh=0.625)
    presets = {"coarse": AmgSettings(), "balanced": balanced, "fine": AmgSettings()}
    card = learned_card(task.name, images=len(task.images), presets=presets)
    path = own_path(task.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"a": np.zeros(3, np.float16)}, path, card.to_metadata())
    return Learned(path, card.images, card.objects, card.steps, card.measure, card.before, card.after)


@pytest.fixture
def stand(tmp_path, monkeypatch) -> Stand:
    monkeypatch.setenv("SAM2_AUTOMASK_HOME", str(tmp_path))
    stand = Stand()
    monkeypatch.setattr(learn_panel, "learn_in_own_process", stand)
    return stand


def unfold(widget):
    """Return the panel of the section, unfolded, and its rows by the name of the labels."""
    widget.learn.expand(animate=False)
    panel = widget.learn.panel
    return panel, {row.labels.name: row for row in panel.rows}


def ended(qtbot, panel) -> str:
    """Wait for the end and return what is said then."""
    qtbot.waitUntil(lambda: panel._run is None, timeout=WAIT)
    return panel.message.text()


def test_mended_labels_are_learned_from_and_the_model_is_chosen_on_request(make_napari_viewer, qtbot, stand):
    viewer = make_napari_viewer()
    widget, layer = live_result(viewer, qtbot)
    panel, rows = unfold(widget)
    assert not rows[layer.name].check.isChecked()  # nobody had a hand in it
    locked = int(np.unique(layer.data)[1])
    widget.live.mend(lambda mends: mends.lock(locked))
    qtbot.waitUntil(lambda: not widget.live._work.busy and locked in widget.live.live_layer.locked)
    panel.refresh()
    qtbot.waitUntil(lambda: (panel.refresh(), rows[layer.name].check.isChecked())[1], timeout=WAIT)
    row = rows[layer.name]
    assert row.chosen_image.name == "cells" and row.chosen_complete is True
    assert panel.name.text() == "cells learned"
    panel.minutes.setValue(2.5)
    panel.button.click()
    qtbot.waitUntil(lambda: "Step 7 of 80" in panel.message.text(), timeout=WAIT)
    assert "0.25 before, 0.75 at best" in panel.message.text()
    assert (panel.bar.value(), panel.bar.maximum()) == (7, 80)
    assert "(step 7 of 80)" in widget.learn.text()
    task = stand.tasks[0]
    np.testing.assert_array_equal(task.labels[0], layer.data)
    assert task.images[0].shape == (*layer.data.shape, 3) and task.images[0].dtype == np.uint8
    assert task.weights == ({locked: 3.0},)
    assert (task.complete, task.minutes, task.base) == ((True,), 2.5, "bundled")
    stand.open.set()
    said = ended(qtbot, panel)
    assert "17 objects in 1 image in 80 steps" in said and "0.25 before, 0.50 after" in said
    assert "a new model is ready" in widget.learn.text()
    assert widget.models.model == "bundled"  # not before it is asked for
    panel.use.click()
    assert widget.models.model == "cells learned"
    assert widget.form.settings.pred_iou_thresh == 0.625  # its own balanced, or what it was custom from
    assert panel.name.text() == "cells learned 2"


def test_stopping_keeps_the_best_and_a_closed_widget_lets_it_end(make_napari_viewer, qtbot, stand):
    viewer = make_napari_viewer()
    viewer.add_image(FIRST, name="first")
    viewer.add_labels(TWO, name="mine")
    widget = dock(viewer)
    panel, rows = unfold(widget)
    assert rows["mine"].check.isChecked()
    assert rows["mine"].chosen_complete is False  # who paints seldom paints all
    panel.button.click()
    qtbot.waitUntil(lambda: panel.bar.value() == 7, timeout=WAIT)
    assert panel.button.text() == "Stop"
    panel.button.click()
    assert "17 objects" in ended(qtbot, panel)
    assert panel.use.isVisibleTo(panel)
    stand.error = Cancelled()
    panel.button.click()
    panel.button.click()
    assert "Nothing was kept" in ended(qtbot, panel)
    stand.error = LearningError("the disk is full: make room")
    stand.open.set()
    panel.button.click()
    assert ended(qtbot, panel) == "the disk is full: make room"
    stand.open.clear()
    stand.error = None
    panel.name.clear()
    panel.name.insert("to the end")
    panel.button.click()
    qtbot.waitUntil(lambda: "Step 7" in panel.message.text(), timeout=WAIT)
    widget.shut_down()
    qtbot.waitUntil(lambda: own_path("to the end").exists(), timeout=WAIT)


def test_images_regions_and_planes_and_what_is_refused(make_napari_viewer, qtbot, stand):
    viewer = make_napari_viewer()
    stand.open.set()
    second = np.stack([FIRST, FIRST // 2, FIRST // 4])
    viewer.add_image(FIRST, name="first")
    viewer.add_image(second, name="stack")
    widget = dock(viewer)
    panel, _ = unfold(widget)
    learn = partial(press, qtbot, panel)
    assert "no labels are chosen" in learn()
    viewer.add_labels(TWO, name="mine")
    shapes = viewer.add_shapes([np.array([[0, 0], [0, 79], [25, 79], [25, 0]])], name="here")
    viewer.add_labels(np.zeros((9, 9), int), name="small")
    viewer.add_labels(np.stack([TWO * 0, TWO, TWO]), name="planes")
    viewer.dims.set_point(0, 1)
    rows = {row.labels.name: row for row in panel.rows}
    assert [row.chosen_image and row.chosen_image.name for row in panel.rows] == ["stack", None, "first"]
    assert [row.check.isChecked() for row in panel.rows] == [True, False, True]
    choose(rows["mine"].complete, "Every one in here")
    learn()
    task = stand.tasks[-1]
    assert task.names == ("planes", "mine")
    np.testing.assert_array_equal(task.labels[0], TWO)  # of the plane that shows
    assert task.images[0][10, 10, 0] == pytest.approx(task.images[1][10, 10, 0] / 2, abs=1)
    assert task.complete[0] is False
    assert task.complete[1][:25, :79].all() and not task.complete[1][26:].any()
    for name, row in rows.items():
        row.check.setChecked(name == "small")
        row._own_check = True
    assert "'small' have no image" in learn()
    choose(rows["small"].image, "first")
    assert "'small' are 9 x 9, the image 'first' is 60 x 80" in learn()
    rows["small"].check.setChecked(False)
    rows["mine"].check.setChecked(True)
    shapes.data = [np.array([[100, 100], [100, 120], [120, 120], [120, 100]])]
    assert "here" in learn()
    viewer.layers.remove("here")
    assert rows["mine"].chosen_complete is False
    panel.name.clear()
    panel.name.insert("tiny")
    assert "'tiny' is the name of another model" in learn()
    panel.name.clear()
    panel.name.insert("first learned")  # as the run above
    own_path("first learned").touch()
    assert "there is a model 'first learned' already" in learn()
    panel.name.setModified(False)
    assert len(stand.tasks) == 1


def test_a_result_of_a_region_is_complete_in_that_region():
    image = Image(FIRST)
    region = Region("field of view", (10, 20, 40, 60))
    labels = Labels(TWO, metadata={"sam2_automask": {"viewer": {"region": region.to_json()}}})
    source = take_source(image, (0, 1), (0, 0))
    _, _, complete, _ = take_example(labels, image, source, "layer", True).read()
    assert complete[10:40, 20:60].all() and complete.sum() == 30 * 40
    assert take_example(labels, image, source, "layer", False).read()[2] is False


def press(qtbot, panel) -> str:
    panel.button.click()
    return ended(qtbot, panel)


def choose(combo, text: str) -> None:
    """Choose as a person does."""
    combo.setCurrentIndex(combo.findText(text))
    combo.activated.emit(combo.currentIndex())


def test_the_time_left_is_told_once_there_is_a_pace(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("napari_sam2_automask._napari.learn.words.time.monotonic", lambda: now[0])
    words = Words()
    assert words.tell(None).text == "Starting"
    assert words.tell(Progress("points", 1, 2)).text == "Looking what the model finds so far"
    assert "left" not in words.tell(LearningProgress("learn", 0, 80)).text
    now[0] = 20.0
    assert ", 2 min 20 s left" in words.tell(LearningProgress("learn", 10, 80)).text
    assert words.tell(Progress("points", 1, 2)).text == "Fitting settings to what was learned"


def test_a_table_says_which_objects_were_mended():
    table = pd.DataFrame(
        {"index": [0, 1, 2, 3, 4], "area": [None, 5, 6, 7, 8], "edited": [None, "", "split", "locked", None]}
    )
    layer = Labels(TWO, features=table, metadata={"sam2_automask": {}})
    assert edited_in(layer) == {2, 3} and is_mended(layer)
    layer.features = table.assign(edited=None)
    assert not is_mended(layer)
    del layer.metadata["sam2_automask"]
    assert is_mended(layer)
