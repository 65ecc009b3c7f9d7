from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
from large_images import cells, segment_tile, tiled
from scipy import ndimage

from napari_sam2_automask.errors import ImageError, SettingsError
from napari_sam2_automask.evaluation.score import double_masks, match
from napari_sam2_automask.geometry.spans import ALMOST
from napari_sam2_automask.large.tiles.compose import block_rows, compose
from napari_sam2_automask.large.tiles.grid import Box, Grid, object_id, split_id
from napari_sam2_automask.large.tiles.seams import seam_rows, tile_result
from napari_sam2_automask.large.tiles.tiling import tiling_for
from napari_sam2_automask.settings.amg import AmgSettings

if TYPE_CHECKING:
    from napari_sam2_automask.large.tiles.seam_rule import Plan

RNG = np.random.default_rng(0)
SHAPES = [(1, 1), (100, 1000), (256, 256), (257, 255), (1000, 333), *RNG.integers(1, 1500, (10, 2)).tolist()]


@pytest.mark.parametrize("window", [0, 70, 110, 200])
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_cores_cover_each_plane_once_and_lie_deep_in_their_tiles(shape, shifted, window):
    grid = Grid(tuple(shape), 256, 64, planes=2, shifted=shifted, window=window)
    covered = np.zeros((2, *shape), int)
    for tile in grid:
        assert grid[tile.index] == tile
        if not window:
            assert tile.outer.shape == (min(256, shape[0]), min(256, shape[1]))
        assert max(tile.outer.shape) <= 257  # starts of windows are rounded
        covered[tile.plane, tile.core.y0 : tile.core.y1, tile.core.x0 : tile.core.x1] += 1
        for side, end in ((0, 0), (1, 0), (2, shape[0]), (3, shape[1])):
            assert tile.core[side] == tile.outer[side] == end or abs(tile.core[side] - tile.outer[side]) >= 32
    assert (covered == 1).all()


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_tiles_are_made_of_windows_that_belong_to_the_plane(shape, shifted):
    grid, other = (Grid(tuple(shape), 256, 30, shifted=s, window=90) for s in (shifted, False))
    asked = np.zeros(shape, bool)
    seen = []
    for tile in grid:
        place = grid.place(tile)
        rows, columns = place.rows, place.columns
        assert (place.shape, place.outer) == (tuple(shape), tile.outer)
        assert tile.outer == (rows[0].start, columns[0].start, rows[-1].end, columns[-1].end)
        assert max(s.end - s.start for s in rows + columns) <= max(90, round(90 / ALMOST))
        asked[
            round(rows[0].first) : round(rows[-1].last), round(columns[0].first) : round(columns[-1].last)
        ] = True
        seen.append({(r, c) for r in rows for c in columns})
    assert asked.all()
    assert set().union(*seen) == {
        (r, c) for t in other for r in other.place(t).rows for c in other.place(t).columns
    }
    assert sum(map(len, seen)) == len(set().union(*seen)), "each window is in one tile"


@pytest.mark.parametrize(
    ("diameter", "overlap", "expected"),
    [
        (0.0, 0, (1024, 128, 0)),  # nothing is known of the objects
        (0.0, 64, (1024, 64, 0)),
        (20.0, 0, (1024, 60, 320)),  # windows in which they appear 32 pixels wide in 512
        (20.0, 300, (1024, 300, 400)),  # wider strips ask for wider windows
        (60.0, 0, (1024, 128, 0)),  # large enough in a tile
        (90.0, 0, (1024, 180, 0)),
        (400.0, 0, (1024, 512, 0)),
    ],
)
def test_tiles_fit_the_objects(diameter, overlap, expected):
    assert tiling_for(AmgSettings(object_diameter=diameter), 1024, overlap) == expected


@pytest.mark.parametrize("window", [0, 150])
@pytest.mark.parametrize("shape", SHAPES[1:8])
def test_neighbours_and_owners_agree_with_looking_at_every_tile(shape, window):
    grid = Grid(tuple(shape), 256, 100, planes=2, window=window)
    tiles = list(grid)
    for t in tiles:
        meets = [o.index for o in tiles if o.plane == t.plane and 0 not in (o.outer & t.outer).shape]
        assert grid.later_neighbours(t.index) == [i for i in meets if i > t.index]
        assert grid.touching(t.plane, t.outer) == meets
        y, x = t.core.y0 + 0.5, t.core.x1 - 0.5
        assert grid.owner(t.plane, y, x) == t.index


@pytest.mark.parametrize(
    "wrong",
    [
        {"window": 128},
        {"window": 900},
        {"tile": 8},
        {"overlap": 1},
        {"overlap": 600},
        {"planes": 0},
        {"shape": (0, 5)},
    ],
)
def test_grids_that_make_no_sense_are_refused(wrong):
    with pytest.raises(SettingsError):
        Grid(**({"shape": (2000, 2000)} | wrong))


def test_ids_are_unique_and_fit_63_bits():
    tile, label = 2**39 - 1, 2**24 - 1
    ids = object_id(tile, [1, label])
    assert ids.dtype == np.int64 and ids.max() == 2**63 - 1
    assert [v.tolist() for v in split_id(ids)] == [[tile, tile], [1, label]]
    assert object_id(0, [label])[0] < object_id(1, [1])[0]


@dataclass
class Picture:
    image: np.ndarray
    truth: np.ndarray
    whole: np.ndarray
    grid: Grid
    labels: np.ndarray
    plan: Plan


@pytest.fixture(scope="module")
def world():
    image, truth = cells((800, 840), seed=5)
    grid = Grid(image.shape, 256, 64)
    return Picture(image, truth, segment_tile(image)[0], grid, *tiled(image, grid))


def matched(a, b):
    counts = match(a, b, 0.8)
    return counts.tp / max(counts.tp + counts.fp, counts.tp + counts.fn)


def test_shifting_the_grid_by_half_a_tile_leaves_the_objects(world):
    shifted, _ = tiled(world.image, Grid(world.image.shape, 256, 64, shifted=True))
    assert matched(world.labels, shifted) >= 0.98
    assert matched(world.labels, world.whole) >= 0.98


def changes(labels, line, axis):
    """Return how many pixels beside a line, before and after, have different labels."""
    a, b = (np.take(labels, line + k, axis=axis) for k in (-1, 0))
    return np.count_nonzero(a != b) / a.size


def test_edges_of_labels_are_no_more_frequent_along_seams_than_elsewhere(world):
    labels, grid = world.labels, world.grid
    rng = np.random.default_rng(1)
    for axis in (0, 1):
        ends = [k for t in grid for k in (t.outer[axis], t.outer[axis + 2])]
        lines = sorted({*grid.seams[axis].tolist(), *ends} - {0, labels.shape[axis]})
        at_seams = np.mean([changes(labels, k, axis) for k in lines])
        random = rng.permutation(np.arange(1, labels.shape[axis]))[:300]
        elsewhere = [changes(labels, k, axis) for k in random]
        # Chance moves the mean of so few lines; three standard errors are allowed for.
        assert at_seams <= np.mean(elsewhere) + 3 * np.std(elsewhere) / np.sqrt(len(lines))


def test_no_object_is_counted_twice_and_every_number_is_used(world):
    labels = world.labels
    assert np.unique(labels[labels > 0]).tolist() == list(range(1, world.plan.count + 1))
    # Objects behind others come out in two parts without any tiles, too.
    assert double_masks(labels, world.truth) <= double_masks(world.whole, world.truth)


def bright(view):
    labels, count = ndimage.label(view > 110)
    return labels, np.ones(count)


def test_objects_larger_than_the_overlap_and_the_tile_come_out_whole():
    image = np.full((600, 900), 20, np.uint8)
    image[100:140, 50:850] = 200  # longer than three tiles
    image[200:500, 300:600] = 200  # wider than a tile, both ways
    image[250:450, 350:550] = 20
    image[300:400, 400:500] = 200  # an island in the ring
    image[520:560, 100:160] = 200
    labels, plan = tiled(image, Grid(image.shape, 256, 40), bright)
    assert plan.count == 4
    assert matched(labels, bright(image)[0]) == 1.0
    assert sorted(plan.tiles[1:].tolist())[:1] == [1] and plan.tiles.max() >= 4


def test_two_legs_of_one_object_are_joined_through_the_tile_that_sees_them_meet():
    image = np.full((200, 400), 20, np.uint8)
    image[40:160, 60:340] = 200
    image[70:130, 60:250] = 20  # open to the left: two legs there
    labels, plan = tiled(image, Grid(image.shape, 200, 60), bright)
    assert plan.count == 1 and labels[50, 70] == labels[150, 70] == labels[100, 300] == 1


def test_each_plane_has_its_own_objects():
    image, _ = cells((300, 300), seed=2, large=0)
    labels, plan = tiled(np.stack([image, image[::-1]]), Grid((300, 300), 128, 32, planes=2))
    first, second = (set(np.unique(p[p > 0]).tolist()) for p in labels)
    assert not first & second and len(first | second) == plan.count
    assert matched(labels[1], labels[0][::-1]) >= 0.98


def test_the_labels_do_not_depend_on_the_blocks_they_are_drawn_in(world):
    image, grid, whole, plan = world.image, world.grid, world.labels, world.plan
    views = {t.index: image[t.outer.y0 : t.outer.y1, t.outer.x0 : t.outer.x1] for t in grid}
    results = {i: tile_result(grid, grid[i], *segment_tile(view)) for i, view in views.items()}
    box = Box(101, 333, 612, 700)
    part = compose(grid, plan, 0, box, lambda i: results[i].labels)
    np.testing.assert_array_equal(part, whole[101:612, 333:700])
    rows = block_rows(part, box)
    ys, xs = np.nonzero(whole[101:612, 333:700] == rows["number"][7])
    assert rows[7]["area"] == len(ys) and rows[7]["y"] == (ys + 101).sum()
    assert (rows[7]["y0"], rows[7]["x1"]) == (ys.min() + 101, xs.max() + 334)


def test_a_failed_tile_leaves_the_rest_and_its_neighbours_view_of_it(world):
    image, grid = world.image, world.grid
    failed = grid.owner(0, 400, 500).item()
    labels, _ = tiled(image, grid, failed=(failed,))
    outside = np.ones(image.shape, bool)
    outer = grid[failed].outer
    outside[outer.y0 : outer.y1, outer.x0 : outer.x1] = False
    assert matched(labels * outside, world.labels * outside) >= 0.97
    # What the neighbours see reaches into the core of the missing tile.
    core = grid[failed].core
    assert labels[core.y0 : core.y1, core.x0 : core.x1].any()


def test_empty_tiles_and_empty_images():
    labels, plan = tiled(np.zeros((300, 300), np.uint8), Grid((300, 300), 128, 32))
    assert plan.count == 0 and not labels.any()


def test_results_that_do_not_fit_the_tile_are_refused():
    grid = Grid((300, 300), 128, 32)
    with pytest.raises(ImageError, match="pixels"):
        tile_result(grid, grid[0], np.zeros((5, 5), int), [])
    with pytest.raises(ImageError, match="scores"):
        tile_result(grid, grid[0], np.ones((128, 128), int), [1.0, 2.0])


def test_seam_rows_count_pixels_in_the_shared_strip():
    grid = Grid((100, 180), 100, 20)
    a, b = grid[0], grid[1]
    one, two = np.zeros((100, 100), int), np.zeros((100, 100), int)
    one[10:20, 75:95], two[10:20, 0:30] = 1, 3  # the strip is columns 80 to 100
    ra, rb = tile_result(grid, a, one, [1.0]), tile_result(grid, b, two, [1.0])
    (row,) = seam_rows(a, b, ra.labels, rb.labels)
    assert (row["shared"], row["in_a"], row["in_b"]) == (150, 150, 200)
    assert ra.table["cut"].tolist() == [False] and rb.table["cut"].tolist() == [True]
