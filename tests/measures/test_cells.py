"""Nuclei grown to cells: how far, who gets what, and what is measured in nucleus, ring and cell."""

from __future__ import annotations

import numpy as np
import pytest
from candidate_factory import random_candidates

from napari_sam2_automask import AmgSettings, paint, select
from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.files.results import ResultPaths, write_results
from napari_sam2_automask.image.picture import LoadedImage
from napari_sam2_automask.measures import expand, measure
from napari_sam2_automask.measures.cells import cell_columns
from napari_sam2_automask.pipeline import choose_and_paint
from napari_sam2_automask.settings.measure_names import STATISTICS

SHAPE = (110, 130)
OPEN = AmgSettings(pred_iou_thresh=0.5, stability_score_thresh=0.3)


def disc(radius, shape=(61, 61)):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return (np.hypot(y - shape[0] // 2, x - shape[1] // 2) <= radius).astype(np.uint16)


def test_a_disc_grows_by_the_distance():
    assert expand(disc(10), 6).sum() == pytest.approx(np.pi * 16**2, rel=0.02)
    assert expand(disc(0), 6).sum() == np.count_nonzero(disc(6))
    np.testing.assert_array_equal(expand(disc(10), 0), disc(10))
    two = disc(5) + 2 * np.roll(disc(5), 20, axis=1)
    grown = expand(two, 30)
    assert set(np.unique(grown)) <= {0, 1, 2}
    assert (grown[30, :41] == 1).all() and (grown[30, 41:] == 2).all()


def test_pixels_that_are_longer_one_way_are_counted_so():
    point = np.zeros((41, 81), np.uint16)
    point[20, 40] = 3
    rows, columns = np.nonzero(expand(point, 10 / np.sqrt(0.5), sides=(1.0, 0.5)))
    assert (np.ptp(rows), np.ptp(columns)) == (20, 40)


def test_areas_of_ring_and_cell_are_told_in_micrometres():
    nuclei = disc(5)
    cells = expand(nuclei, 3)
    found = cell_columns(nuclei, cells, [1], {}, [], (0.5, 0.25))
    ring = int((cells > 0).sum() - (nuclei > 0).sum())
    assert found["area_ring"].tolist() == [ring] and found["area_ring_um2"].tolist() == [ring * 0.125]
    body, grown = np.stack([nuclei] * 3), expand(np.stack([nuclei] * 3), 3)
    np.testing.assert_array_equal(grown, np.stack([cells] * 3))
    found = cell_columns(body, grown, [1], {}, [], (2.0, 0.5, 0.25))
    assert found["voxels_ring"].tolist() == [3 * ring]
    assert found["volume_ring_um3"].tolist() == [3 * ring * 0.25]


def test_nucleus_ring_and_cell_add_up():
    candidates = random_candidates(SHAPE, 40, seed=4, settings=OPEN)
    settings = OPEN.replace(expand_distance=4, measures=("intensity_sum", "intensity_mean"))
    image = np.random.default_rng(0).random((*SHAPE, 2))
    done = choose_and_paint(candidates, settings, LoadedImage(image, None, channels="mix", names=("a", "b")))
    table = done.table
    assert len(table) > 10 and (table["area_ring"] > 0).any()
    np.testing.assert_array_equal(table["area_cell"], table["area"] + table["area_ring"])
    np.testing.assert_array_equal(table["area_cell"], measure(done.cells)["area"])
    for name in "ab":
        parts = table[f"intensity_sum_{name}"] + table[f"intensity_sum_{name}_ring"].fillna(0)
        np.testing.assert_allclose(table[f"intensity_sum_{name}_cell"], parts)
    channel = {"b": image[..., 1]}
    theirs = measure(done.cells, ["intensity_mean"], image=channel)["intensity_mean_b"]
    np.testing.assert_allclose(table["intensity_mean_b_cell"], theirs)
    np.testing.assert_array_equal(done.cells[done.labels > 0], done.labels[done.labels > 0])
    gray = choose_and_paint(candidates, settings, LoadedImage(image[..., 0], None))
    np.testing.assert_allclose(gray.table["intensity_mean_ring"], table["intensity_mean_a_ring"])


def test_of_nucleus_ring_and_cell_no_statistic_is_known_where_nothing_was_measured():
    nuclei = disc(5)
    crowded = np.where(nuclei > 0, nuclei, 2)  # nowhere to grow
    cells = expand(crowded, 3)
    image = np.where(nuclei > 0, np.nan, 1.0)
    found = cell_columns(crowded, cells, [1, 2], {"": image}, STATISTICS)
    for statistic in STATISTICS:
        assert np.isnan(found[f"{statistic}_ring"]).all()
        np.testing.assert_array_equal(np.isnan(found[f"{statistic}_cell"]), [True, False])
    found = cell_columns(nuclei, expand(nuclei, 3), [1], {"": image}, ["intensity_sum"])
    assert found["intensity_sum_ring"] == found["intensity_sum_cell"] == found["area_ring"]


def test_objects_that_are_not_grown_are_as_before():
    candidates = random_candidates(SHAPE, 20, seed=4, settings=OPEN)
    plain, grown = (paint(select(candidates, OPEN.replace(expand_distance=far))) for far in (0, 3))
    assert plain.cells is None and "area_cell" not in plain.table
    np.testing.assert_array_equal(plain.labels, grown.labels)
    assert list(grown.table)[: len(plain.table.columns)] == list(plain.table)


def test_the_cells_are_a_file_that_goes_with_the_others(tmp_path):
    import tifffile

    candidates = random_candidates(SHAPE, 20, seed=4, settings=OPEN)
    paths = ResultPaths.of(tmp_path, "a")
    done = paint(select(candidates, OPEN.replace(expand_distance=3)), record={"settings": {}})
    write_results(done, paths, "a.tif")
    np.testing.assert_array_equal(tifffile.imread(paths.cells), done.cells)
    write_results(paint(select(candidates, OPEN), record={"settings": {}}), paths, "a.tif")
    assert not paths.cells.exists() and paths.labels.exists()


def test_a_distance_that_cannot_be_is_refused():
    with pytest.raises(SettingsError, match="distance"):
        expand(disc(3), -1)
    with pytest.raises(SettingsError, match="all_levels"):
        AmgSettings(expand_distance=3, overlap="all_levels")
