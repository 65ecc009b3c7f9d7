"""Objects carried through a stack: numbers, directions, new objects, progress, stopping."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from video_network import video_model

from napari_sam2_automask.engine import video
from napari_sam2_automask.errors import ImageError, ModelError, SettingsError
from napari_sam2_automask.models import load_model
from napari_sam2_automask.progress import Cancelled
from napari_sam2_automask.settings.amg import AmgSettings
from napari_sam2_automask.stack import propagating
from napari_sam2_automask.stack.carrying import Propagation
from napari_sam2_automask.stack.linked_planes import number_planes
from napari_sam2_automask.stack.propagating import propagate_planes
from napari_sam2_automask.stack.track_arrays import tracks

SHAPE = (40, 60)


def picture(*squares):
    """Draw squares of (y, x, brightness)."""
    plane = np.zeros((*SHAPE, 3), np.uint8)
    for y, x, brightness in squares:
        plane[y : y + 8, x : x + 8] = brightness
    return plane


class ByBrightness:
    """Follows what has the brightness of the object's first mask; knows no other."""

    def __init__(self, model, views, tick):
        self.views, self.tick, self.steps = views, tick, []

    def begin(self, plane, mask):
        return int(np.median(self.views[plane][mask]))

    def step(self, state, plane, *, backward=False):
        self.tick()
        self.steps.append((state, plane, backward))
        return np.where(self.views[plane][..., 0] == state, np.float32(state), np.float32(-1))


@pytest.fixture
def follower(monkeypatch):
    """Replace the model's memory by brightness, and mask generation by connected parts."""
    from scipy import ndimage

    made = []

    def make(*arguments):
        made.append(ByBrightness(*arguments))
        return made[-1]

    monkeypatch.setattr(video, "Follower", make)
    monkeypatch.setattr("napari_sam2_automask.pipeline.propose_view", lambda view, *_, **__: view)
    monkeypatch.setattr("napari_sam2_automask.pipeline.select", lambda view, _: view)

    class Found:
        def __init__(self, view, **more):
            self.labels, _ = ndimage.label(view[..., 0])

    monkeypatch.setattr("napari_sam2_automask.pipeline.paint", Found)
    return made


class Anything:
    family = "sam2"


def spread(views, **options):
    more = {name: options.pop(name) for name in ("progress", "axis") if name in options}
    return propagate_planes(views, AmgSettings(), Anything(), how=Propagation(**options), **more)


MOVING = [picture((5, 5 + 2 * k, 90), *([(25, 40 - 2 * k, 200)] if k != 4 else [])) for k in range(7)]


@pytest.mark.parametrize("start", ["first", "middle", "last", 2])
def test_one_number_for_an_object_in_all_planes(follower, start):
    linked = spread(MOVING, start=start)
    for k, view in enumerate(MOVING):
        np.testing.assert_array_equal(linked.labels[k] > 0, view[..., 0] > 0)
    for brightness in (90, 200):
        where = np.stack([view[..., 0] == brightness for view in MOVING])
        assert len(np.unique(linked.labels[where])) == 1
    assert sorted(linked.table["n_planes"]) == [6, 7]
    assert sorted(linked.table["n_missing"]) == [0, 1]
    first = {"first": 0, "middle": 3, "last": 6, 2: 2}[start]
    # Upwards from the start, then downwards.
    planes = list(dict.fromkeys(plane for _, plane, _ in follower[0].steps))
    assert planes == [*range(first + 1, 7), *range(first - 1, -1, -1)]


def test_time_gives_tracks(follower):
    found = tracks(spread(MOVING, start="first", axis="t"))
    assert set(found.data[:, 0]) == {1, 2} and len(found.data) == 13
    assert found.graph == {}


LATER = [picture((5, 5, 90), *([(25, 30, 200)] if k >= 2 else [])) for k in range(9)]


def test_objects_of_later_planes_are_found_if_they_are_looked_for(follower):
    assert spread(LATER, start="first").table["n_planes"].tolist() == [9]
    linked = spread(LATER, start="first", new_every=4)
    # Found on plane 4, and carried back to where it began.
    assert linked.table["planes"].tolist() == ["0-8", "2-8"]
    assert len(follower[1].steps) < 40
    again = spread(LATER, start="last", new_every=3)
    assert sorted(again.table["planes"]) == ["0-8", "2-8"]


def test_an_object_is_not_sought_for_ever(follower):
    views = [picture((5, 5, 90), *([(25, 30, 200)] if k in (0, 8) else [])) for k in range(9)]
    linked = spread(views, start="first", give_up=2)
    assert linked.table["planes"].tolist() == ["0-8", "0"]
    assert [plane for state, plane, _ in follower[0].steps if state == 200] == [1, 2, 3]
    assert spread(views, start="first", give_up=7).table["planes"].tolist() == ["0-8", "0, 8"]


def test_where_objects_meet_the_surer_one_has_the_pixel(follower, monkeypatch):
    monkeypatch.setattr(
        ByBrightness, "step", lambda self, state, plane, **_: np.full(SHAPE, state, np.float32)
    )
    linked = spread([picture((5, 5, 90), (25, 30, 200)), picture()], start="first")
    assert linked.labels[0].max() == 2 and set(np.unique(linked.labels[1])) == {linked.labels[0][25, 30]}


def test_progress_reaches_its_end_and_stops_the_work(follower):
    told = []
    spread(LATER, start="middle", new_every=2, progress=told.append)
    assert {p.stage for p in told} == {"propagating"}
    assert [p.done for p in told] == sorted(p.done for p in told)
    assert told[-1].done == told[-1].total and all(p.done <= p.total for p in told)

    def stop(p):
        if p.done == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        spread(LATER, start="first", progress=stop)
    assert {plane for _, plane, _ in follower[1].steps} <= {1, 2, 3}


def test_nothing_found_is_nothing(follower):
    linked = spread([picture()] * 3)
    assert linked.labels.shape == (3, *SHAPE) and len(linked.table) == 0


def test_what_cannot_be_done_is_said(follower):
    for wrong in ({"start": "top"}, {"new_every": -1}, {"give_up": -1}):
        with pytest.raises(SettingsError, match=str(next(iter(wrong.values())))):
            Propagation(**wrong)
    with pytest.raises(SettingsError, match=r"no plane 9.*0 to 6"):
        spread(MOVING, start=9)
    with pytest.raises(ImageError, match="no planes"):
        spread([])


def test_the_bundled_model_is_refused():
    with pytest.raises(ModelError, match=r"bundled has no memory.*sam2\.1-tiny"):
        propagate_planes(MOVING, AmgSettings(), load_model("bundled", device="cpu"))


def test_from_masks_to_numbers_with_a_network():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        settings = AmgSettings(points_per_side=2, pred_iou_thresh=0.0, stability_score_thresh=0.0)
        linked = propagate_planes(MOVING[:3], settings, video_model(), how=Propagation(new_every=1))
    finally:
        torch.set_num_threads(threads)
    assert linked.labels.shape == (3, *SHAPE)
    assert linked.table["index"].tolist() == list(range(1, len(linked.table) + 1))
    assert (np.unique(linked.labels[linked.labels > 0]) == linked.table["index"]).all()


def test_numbers_follow_the_order_of_appearance():
    labels = np.zeros((2, 4, 6), np.int32)
    labels[0, 0, :2], labels[1, 0, :2], labels[1, 2, 3:] = 70, 70, 5
    linked = number_planes(labels, spacing=(2.0, 0.5, 0.5), unit="um")
    assert linked.labels[0, 0, 0] == linked.labels[1, 0, 0] == 1 and linked.labels[1, 2, 4] == 2
    assert linked.table["planes"].tolist() == ["0-1", "1"]
    assert linked.table["volume_um3"].tolist() == [2.0, 1.5]
    assert propagating.Propagation(start="last").plane_of(4) == 3
