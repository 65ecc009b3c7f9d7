from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from moving_objects import World, generate, score, truth_of_nodes

from napari_sam2_automask.errors import ImageError, SettingsError
from napari_sam2_automask.geometry.overlaps import regions, shifted_overlaps
from napari_sam2_automask.stack.linked_planes import Event, link_planes
from napari_sam2_automask.stack.track_arrays import tracks


def square(y, x, n, size=8, shape=(64, 64)):
    plane = np.zeros(shape, np.uint16)
    plane[y : y + size, x : x + size] = n
    return plane


def test_overlaps_agree_with_counting_pixel_by_pixel():
    rng = np.random.default_rng(0)
    a, b = regions(rng.integers(0, 5, (20, 30)) * 7), regions(rng.integers(0, 4, (20, 30)))
    shifts = rng.integers(-3, 4, (len(a), 2))
    found = shifted_overlaps(a, b, shifts)
    expected = {}
    for y, x in np.ndindex(20, 30):
        i = a.image[y, x] - 1
        if i < 0:
            continue
        y2, x2 = y + shifts[i, 0], x + shifts[i, 1]
        if 0 <= y2 < 20 and 0 <= x2 < 30 and b.image[y2, x2]:
            key = int(i), int(b.image[y2, x2]) - 1
            expected[key] = expected.get(key, 0) + 1
    assert dict(zip(zip(found.a.tolist(), found.b.tolist()), found.pixels.tolist())) == expected  # noqa: B905


def test_regions_of_huge_and_sparse_labels():
    plane = np.zeros((4, 5), np.uint64)
    plane[1, 1:3], plane[3, 4] = 2**60, 7
    found = regions(plane)
    assert found.ids.tolist() == [7, 2**60] and found.areas.tolist() == [1, 2]
    assert found.centroids.tolist() == [[3.0, 4.0], [1.0, 1.5]]


def test_numbers_are_kept_whatever_each_plane_calls_the_object():
    planes = [square(10, 10, 5) + square(40, 40, 9), square(10, 12, 3) + square(41, 40, 1)]
    linked = link_planes(planes)
    assert linked.labels.dtype == np.uint16
    assert [np.unique(p[p > 0]).tolist() for p in linked.labels] == [[1, 2], [1, 2]]
    assert linked.labels[1, 12, 14] == linked.labels[0, 12, 14] == 1


def test_a_gap_is_closed_up_to_max_gap_planes_and_no_further():
    empty = np.zeros((64, 64), np.uint16)
    stack = np.stack([square(10, 10, 1), empty, empty, square(10, 10, 4)])
    linked = link_planes(stack, max_gap=2)
    assert linked.labels[3].max() == 1
    row = linked.table.iloc[0]
    assert row["planes"] == "0, 3" and row["n_planes"] == 2 and row["n_missing"] == 2
    assert link_planes(stack, max_gap=1).labels[3].max() == 2


def test_the_best_pairs_overall_win_over_the_best_single_pair():
    # By itself the second plane's left object fits the first plane's right one best; giving it to that one
    # would leave the others without partners.
    a = square(0, 0, 1, 10, (10, 40)) + square(0, 12, 2, 10, (10, 40))
    b = square(0, 8, 1, 10, (10, 40)) + square(0, 20, 2, 10, (10, 40))
    linked = link_planes([a, b], max_gap=0)
    assert linked.labels[1, 0, 8] == 1 and linked.labels[1, 0, 20] == 2


def test_drift_beyond_the_objects_own_size_is_taken_out():
    rng = np.random.default_rng(3)
    base = np.zeros((160, 160), np.uint16)
    for n, (y, x) in enumerate(
        rng.permutation([(y, x) for y in range(30, 130, 20) for x in range(30, 130, 20)])[:12]
    ):
        jitter = rng.integers(-4, 5, 2)
        base[y + jitter[0] : y + jitter[0] + 6, x + jitter[1] : x + jitter[1] + 6] = n + 1
    linked = link_planes([np.roll(base, 9 * k, axis=1) for k in range(4)])
    assert linked.table["n_planes"].tolist() == [4] * 12


def test_splits_and_merges_are_reported_and_become_new_tracks():
    whole = np.zeros((40, 60), np.uint16)
    whole[10:20, 10:40] = 1
    parts = whole.copy()
    parts[:, 28:30] = 0
    parts[10:20, 30:40] = 2
    linked = link_planes([whole, whole, parts, parts, whole])
    assert linked.events == (Event("split", 2, 1, 2), Event("merge", 4, 1, 2))
    assert linked.table["split_from"].tolist() == [0, 1] and linked.table["merged_into"].tolist() == [0, 1]
    data = tracks(linked)
    assert data.graph == {2: [1], 4: [1], 3: [2, 4]}
    assert data.data[:, 0].tolist() == [1, 1, 2, 2, 3, 4, 4]
    assert data.features["object"].tolist() == [1, 1, 1, 1, 1, 2, 2]


def test_tracks_are_accepted_by_napari():
    from napari.layers import Tracks

    stack = generate(World(objects=20, planes=8, size=128, split=0.03), 1)
    linked = link_planes(stack.labels, axis="t")
    data = tracks(linked)
    layer = Tracks(data.data, graph=data.graph, features=data.features)
    assert len(layer.data) == len(linked.nodes["plane"])
    ends = {t: layer.data[layer.data[:, 0] == t, 1] for t in np.unique(layer.data[:, 0])}
    assert layer.graph and all(
        ends[p].max() < ends[c].min() for c, parents in layer.graph.items() for p in parents
    )


def test_volumes_and_centroids_in_physical_units():
    linked = link_planes([square(10, 10, 1), square(10, 10, 1, 4)], spacing=(2.0, 0.5, 0.25), unit="um")
    row = linked.table.iloc[0]
    assert row["voxels"] == 64 + 16 and row["volume_um3"] == pytest.approx(80 * 0.25)
    assert row["centroid_p"] == pytest.approx(0.2) and row["centroid_y"] == pytest.approx(
        (64 * 13.5 + 16 * 11.5) / 80
    )
    timed = link_planes([square(10, 10, 1)] * 2, axis="t", spacing=(1, 0.5, 0.5), unit="um").table
    assert timed["mean_area_um2"].tolist() == [16.0] and "volume_um3" not in timed
    small = link_planes([square(10, 10, 1)], spacing=(2000.0, 500, 250), unit="nanometer").table
    assert small["volume_um3"].tolist() == [pytest.approx(64 * 0.25)]
    pixels = link_planes([square(10, 10, 1)], spacing=(1.0, 1.0, 1.0)).table
    assert not [name for name in pixels if name.startswith(("volume", "mean_area_"))]


@pytest.mark.parametrize("planes", [0, 1, 3])
def test_empty_planes(planes):
    linked = link_planes(np.zeros((planes, 5, 6), np.uint8))
    assert linked.labels.shape[0] == planes and not linked.labels.any()
    assert len(linked.table) == 0 and linked.events == () and tracks(linked).data.shape == (0, 4)


def test_lazy_arrays_give_the_same():
    stack = generate(World(objects=10, planes=4, size=64), 0)
    lazy = da.from_array(stack.labels, chunks=(1, 64, 64))
    np.testing.assert_array_equal(link_planes(lazy).labels, link_planes(stack.labels).labels)


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        (np.zeros((4, 4), int), "three axes"),
        (np.zeros((2, 4, 4)), "whole numbers"),
        (-np.ones((2, 4, 4), int), "negative"),
        ([np.zeros((4, 4), int), np.zeros((4, 5), int)], "one shape"),
    ],
)
def test_what_is_no_stack_of_labels_is_refused(labels, match):
    with pytest.raises(ImageError, match=match):
        link_planes(labels)


@pytest.mark.parametrize(
    "wrong", [{"axis": "y"}, {"max_gap": -1}, {"min_iou": 1.0}, {"gap_cost": -0.1}, {"spacing": (0, 1, 1)}]
)
def test_settings_out_of_range_are_named(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        link_planes(np.zeros((2, 4, 4), int), **wrong)


WORLDS = {
    "drifting": (World(objects=30, planes=12, drift=6.0, speed=1.0, vanish=0, split=0), 0.99),
    "touching": (World(objects=80, planes=10, crowding=1.2, speed=1.5, drift=1, vanish=0, split=0), 0.99),
    "splitting": (World(objects=25, planes=14, speed=1.5, drift=1, vanish=0, split=0.03), 0.98),
    "vanishing and returning": (World(objects=30, planes=14, speed=1.5, drift=1, vanish=0.08, split=0), 0.99),
    "all of it": (
        World(objects=60, planes=14, speed=2.5, drift=4, vanish=0.04, split=0.01, merge=0.01),
        0.96,
    ),
}


@pytest.mark.parametrize("name", WORLDS)
def test_generated_stacks_with_ground_truth(name):
    world, least = WORLDS[name]
    found = []
    for seed in (11, 12):
        stack = generate(world, seed)
        nodes = link_planes(stack.labels).nodes
        found.append(score(nodes["number"], truth_of_nodes(stack, nodes), nodes["plane"], 2).f1)
    assert np.mean(found) >= least, found
