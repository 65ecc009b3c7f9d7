"""Steps of several planes that were made together are taken back and done again together."""

from __future__ import annotations

import numpy as np

from napari_sam2_automask.stack import Numbers, PlaneMends
from napari_sam2_automask.stack.joint_steps import Joint, JointSteps, MendsLine


def planes_of(count):
    labels = np.zeros((6, 8), int)
    labels[1:3, 1:4] = 1
    numbers = Numbers({(k,): {1: k + 1} for k in range(count)})
    return {(k,): PlaneMends(labels, numbers=numbers, plane=(k,)) for k in range(count)}


def painted(mends, number, column):
    after = mends.labels.copy()
    after[4, column] = number
    mends.paint(after)


def test_a_step_of_several_planes_is_taken_back_and_done_again_in_all():
    planes, line, joint, told = planes_of(3), JointSteps(MendsLine()), Joint(), []
    line.tell = lambda *what: told.append(what)
    before = {plane: mends.labels for plane, mends in planes.items()}
    for plane in ((0,), (1,)):
        painted(planes[plane], 7, 2)
        line.note(joint, planes[plane])
    painted(planes[0,], 7, 3)  # taken over late: another part of the same step
    line.note(joint, planes[0,])
    after = {plane: mends.labels for plane, mends in planes.items()}
    done = line.undo(planes[0,])
    assert done.boxes.tolist() == [[4, 2, 5, 4], [4, 2, 5, 3]]
    assert told == [(joint, (0,), "undo")]
    assert line.follow(joint, planes[1,], "undo") is not None
    assert line.follow(joint, planes[2,], "undo") is None
    for plane, mends in planes.items():
        np.testing.assert_array_equal(mends.labels, before[plane])
        assert not line.is_left(joint, mends, "undo") and line.next_undo(mends) is None
    line.redo(planes[1,])
    assert told[1:] == [(joint, (1,), "redo")]
    line.follow(joint, planes[0,], "redo")
    for plane, mends in planes.items():
        np.testing.assert_array_equal(mends.labels, after[plane])


def test_a_step_stays_in_a_plane_in_which_more_was_done():
    planes, line, joint = planes_of(2), JointSteps(MendsLine()), Joint()
    first, second = planes.values()
    for mends in (first, second):
        painted(mends, 7, 2)
        line.note(joint, mends)
    second.remove(2)
    line.undo(first)
    assert line.follow(joint, second, "undo") is None and line.is_left(joint, second, "undo")
    assert second.label_at((4, 2)) == 7 and not first.label_at((4, 2))
    # Once it is the last again it goes, and comes back in both but for one in which something else was done.
    line.undo(second)
    line.undo(second)
    assert not second.label_at((4, 2)) and not line.is_left(joint, second, "undo")
    second.remove(2)
    line.redo(first)
    assert line.follow(joint, second, "redo") is None and line.is_left(joint, second, "redo")
    assert first.label_at((4, 2)) == 7 and not second.label_at((4, 2))
