"""Links between planes cut, joined, divided and made anew."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2_automask.errors import MendError
from napari_sam2_automask.stack import Event, Links, link_planes, number_planes, tracks
from napari_sam2_automask.stack.linked_history import LinkedHistory

PLANES = 6


def planes():
    """Two squares side by side through all planes; the second moves away at plane 3 and is cut in two."""
    labels = np.zeros((PLANES, 30, 40), int)
    labels[:, 4:12, 4:12] = 5
    labels[:3, 18:28, 4:20] = 7
    labels[3:, 18:28, 4:11] = 2
    labels[3:, 18:28, 13:20] = 9
    return labels


def links(**how):
    return Links.of(link_planes(planes()), **how)


def seen(links):
    """Return the numbers in each plane, in order of place: of the first square, then the parts."""
    return [[int(plane[y, x]) for y, x in ((5, 5), (20, 6), (20, 15))] for plane in links.labels]


def test_cut_ends_an_object_and_undo_and_redo_are_exact():
    one = links()
    before, table = one.labels.copy(), one.table
    number = seen(one)[0][0]
    done = one.cut(number, 2)
    new = done.labels[1]
    assert new == before.max() + 1 and [row[0] for row in seen(one)] == [number] * 2 + [new] * 4
    rows = one.table.set_index("index")
    assert rows.loc[number, "planes"] == "0-1" and rows.loc[new, "planes"] == "2-5"
    assert rows.loc[new, "voxels"] == 4 * 64
    one.undo()
    np.testing.assert_array_equal(one.labels, before)
    assert one.table.equals(table)
    one.redo()
    assert [row[0] for row in seen(one)] == [number] * 2 + [new] * 4
    assert one.cut(number, 1).labels[1] == new + 1  # a number is given out once
    for plane in (0, 1, 5):
        with pytest.raises(MendError, match="cut it at a later one"):
            one.cut(number, plane)


def test_several_objects_are_cut_in_one_step_or_none_is():
    one = links()
    before = one.labels.copy()
    first, second, third = seen(one)[0][0], seen(one)[0][1], seen(one)[5][2]
    with pytest.raises(MendError, match="cut it at a later one"):
        one.cut([first, third], min(one.planes_of(third)))
    np.testing.assert_array_equal(one.labels, before)
    new = one.next_number
    assert one.cut([first, second], 1).labels == (first, new, second, new + 1)
    assert [row[:2] for row in seen(one)][:2] == [[first, second], [new, new + 1]]
    one.undo()
    np.testing.assert_array_equal(one.labels, before)
    assert one.next_undo is None


def test_join_makes_one_object_of_two_that_share_no_plane():
    one = links()
    first, second, third = seen(one)[0][0], seen(one)[0][1], seen(one)[5][2]
    with pytest.raises(MendError, match="are both in plane"):
        one.join(first, second)
    new = one.cut(first, 3).labels[1]
    one.join(new, first)
    assert {row[0] for row in seen(one)} == {new}
    with pytest.raises(MendError, match="no object 99"):
        one.join(99, first)
    with pytest.raises(MendError, match="one already"):
        one.join(third, third)


def test_divide_tells_the_parts_and_the_tracks_follow():
    one = links(axis="t")
    rows = seen(one)
    mother, parts = rows[0][1], {rows[3][1], rows[3][2]}
    done = one.divide(mother, 3, sorted(parts))
    assert done.labels[0] == mother and mother not in seen(one)[3]
    children = set(done.labels[1:])
    assert len(children) == 2 and {seen(one)[3][1], seen(one)[3][2]} == children
    table = one.table.set_index("index")
    assert table.loc[sorted(children), "split_from"].tolist() == [mother, mother]
    assert table.loc[mother, "last_plane"] == 2
    found = tracks(one.linked)
    of = dict(zip(found.data[:, 0].astype(int), found.features["object"], strict=True))
    assert {of[child] for child in found.graph} == children
    assert {of[parent] for parents in found.graph.values() for parent in parents} == {mother}
    with pytest.raises(MendError, match="not seen before plane 3"):
        one.divide(min(children), 3, [])
    with pytest.raises(MendError, match="one part only"):
        one.divide(rows[0][0], 3, [])


def test_a_plane_that_was_mended_keeps_its_links_or_is_linked_anew():
    one = links()
    first = seen(one)[0][0]
    one.labels[2][one.labels[2] == first] = 50  # as an object that was added there
    one.look(2, one.labels[2])
    assert one.planes_of(50) == [2] and one.planes_of(first) == [0, 1, 3, 4, 5]
    one.link()
    anew = {row[0] for row in seen(one)}
    assert len(anew) == 1 and min(anew) > 50
    one.undo()
    assert seen(one)[2][0] == 50 and seen(one)[3][0] == first
    assert one.next_undo is None and one.next_redo == "link"


def test_links_that_were_kept_are_told_as_such_not_as_made_anew():
    one, before = links(), seen(links())
    first, new = before[0][0], one.next_number
    done = one.restore({k: {first: new} for k in range(3, 6)}, ())
    assert (done.action, done.back) == ("restore", False)
    assert seen(one)[2][0] == first and seen(one)[3][0] == new
    back = one.undo()
    assert (back.action, back.back) == ("restore", True) and seen(one) == before


def test_the_numbers_and_events_of_a_record_give_the_same_table():
    one = links(axis="t", spacing=(1, 2, 2), unit="um")
    mother = seen(one)[0][1]
    one.divide(mother, 3, [seen(one)[3][1], seen(one)[3][2]])
    told = [event.text for event in one.events]
    again = number_planes(
        one.labels,
        axis="t",
        spacing=(1, 2, 2),
        unit="um",
        keep=True,
        events=[Event.of(text) for text in told],
    )
    assert again.table.equals(one.table)
    np.testing.assert_array_equal(again.labels, one.labels)
    with pytest.raises(ValueError, match="neither a split nor a merge"):
        Event.of("gone at plane 3: 4 and 5")


def test_any_sequence_of_changes_can_be_taken_back():
    rng = np.random.default_rng(3)
    one = links()
    before, table = one.labels.copy(), one.table
    done = 0
    while done < 40:
        ids = np.unique(one.labels)[1:].tolist()
        first, second = rng.choice(ids, 2).tolist()
        plane = int(rng.integers(PLANES))
        state = one.labels.copy()
        act = rng.choice(
            ["cut", "join", "divide", "link", "undo", "redo"], p=[0.3, 0.3, 0.2, 0.05, 0.1, 0.05]
        )
        given = {"cut": (first, plane), "join": (first, second), "divide": (first, plane, [second])}
        try:
            getattr(one, act)(*given.get(act, ()))
        except MendError:
            np.testing.assert_array_equal(one.labels, state)
            continue
        done += 1
        assert ((one.labels > 0) == (before > 0)).all()
        for number, rows in one.table.set_index("index").iterrows():
            assert np.count_nonzero(one.labels == number) == rows["voxels"]
    last = one.labels.copy()
    count = 0
    while one.next_undo:
        one.undo()
        count += 1
    np.testing.assert_array_equal(one.labels, before)
    assert one.table.equals(table)
    while one.next_redo and count:
        one.redo()
        count -= 1
    np.testing.assert_array_equal(one.labels, last)


def test_a_number_that_comes_back_is_not_given_to_two_objects():
    one = links()
    number = seen(one)[0][0]
    new = one.cut(number, 2).labels[1]
    one.labels[4, :3, 30:36] = number  # painted by a person in a plane in which it is another object now
    one.look(4, one.labels[4])
    state = one.labels.copy()
    with pytest.raises(MendError, match=f"object {number} was painted in plane 4 since"):
        one.undo()
    np.testing.assert_array_equal(one.labels, state)
    assert one.next_undo == "cut" and one.planes_of(new) == [2, 3, 4, 5]
    one.labels[4, :3, 30:36] = 0
    one.look(4, one.labels[4])
    one.undo()
    assert {row[0] for row in seen(one)} == {number}


def test_splits_and_merges_are_told_again_when_their_objects_are_back():
    one = links(axis="t")
    mother, parts = seen(one)[0][1], seen(one)[3][1:]
    one.divide(mother, 3, parts)
    told, whole = one.events, one.labels.copy()
    for plane in range(3, PLANES):
        one.labels[plane][one.labels[plane] == told[-1].other] = 0
        one.look(plane, one.labels[plane])
    assert len(one.events) == len(told) - 1
    one.labels[...] = whole
    for plane in range(PLANES):
        one.look(plane, whole[plane])
    assert set(one.events) == set(told)


class Plane:
    """What was done in a plane."""

    def __init__(self, *steps):
        self.steps, self.undone = steps, ()

    def undo(self):
        self.undone = (self.steps[-1], *self.undone)
        self.steps = self.steps[:-1]

    def redo(self):
        self.steps = (*self.steps, self.undone[0])
        self.undone = self.undone[1:]

    def do(self, step):
        self.steps, self.undone = (*self.steps, step), ()


def test_links_have_their_place_in_the_history_of_each_plane():
    here, there = Plane("a", "b"), Plane("c")
    planes = {(0,): here, (1,): there}
    history = LinkedHistory(links())
    number = seen(history.links)[0][0]

    def last():
        return [history.link_is_last(plane, planes.get(plane, Plane())) for plane in ((0,), (1,), (2,))]

    def following():
        return [history.link_is_next(plane, planes.get(plane, Plane())) for plane in ((0,), (1,), (2,))]

    assert last() == [False] * 3
    history.do(lambda links: links.cut(number, 2), planes)
    assert last() == [True] * 3 and following() == [False] * 3
    here.do("d")
    assert last() == [False, True, True]
    history.undo(planes)  # in the other plane
    assert last() == [False] * 3 and following() == [True] * 3
    here.undo()
    assert following() == [False, True, True]  # what was taken back last comes first
    here.redo()
    assert following() == [True] * 3
    there.do("e")
    assert following() == [True, False, True]
    history.redo(planes)
    assert last() == [True] * 3
    history.undo(planes)
    history.forget([(0,)])
    assert following() == [False, True, True]


def test_numbers_with_gaps_as_large_as_they_are():
    """Nothing is as long as the largest number."""
    largest = 2**31 - 2**20 - 1
    stack = np.zeros((3, 12, 12), np.uint32)
    for k in range(6):
        stack[:, 2 * k, 2:9] = largest - k
    one = Links.of(link_planes(stack))
    for plane in range(3):
        one.look(plane, stack[plane])
    one.labels = stack.copy()
    moved = one.link()
    assert one.labels.max() == largest + 6 and set(moved.numbers) == {0, 1, 2}
    assert [len(np.unique(plane)) for plane in one.labels] == [7, 7, 7]
    one.undo()
    np.testing.assert_array_equal(one.labels, stack)
