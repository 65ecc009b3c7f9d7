"""Counts and sums of regions, against numbers counted by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.measures import count_in_regions, measure


def scene():
    labels = np.zeros((20, 30), np.uint16)
    labels[2:6, 2:6], labels[2:6, 8:14], labels[12:16, 20:24] = 3, 5, 9
    left = np.zeros((20, 30), bool)
    left[:, :10] = True  # holds the first and a third of the second, whose centre is outside
    return labels, {"left": left, "all": np.ones((20, 30), bool), "none": np.zeros((20, 30), bool)}


def test_objects_count_where_their_centre_lies():
    labels, regions = scene()
    table = measure(labels, ["extent", "centroid"])
    table["score"] = [0.5, 0.7, np.nan]
    found = count_in_regions(labels, regions, table, pixel_size=(0.5, 2.0), unit="um").set_index("region")
    assert found["objects"].to_dict() == {"left": 1, "all": 3, "none": 0}
    assert found["area"].to_dict() == {"left": 200, "all": 600, "none": 0}
    assert found.loc["left", "covered"] == pytest.approx((16 + 8) / 200)
    assert found.loc["all", "objects_per_mm2"] == pytest.approx(3 / 600e-6)
    assert found.loc["all", "area_mean"] == pytest.approx((16 + 24 + 16) / 3)
    assert found.loc["all", "area_std"] == pytest.approx(np.std([16, 24, 16]))
    assert found.loc["all", "score_mean"] == pytest.approx(0.6)
    assert found.loc["left", ["area_mean", "extent_mean", "area_std"]].tolist() == [16, 1, 0]
    assert np.isnan(found.loc["none", "area_mean"]) and "centroid_y_mean" not in found


def test_a_centre_lies_in_the_pixel_around_it():
    labels = np.zeros((6, 6), np.uint16)
    labels[1, 2], labels[2, 1:4] = 1, 1  # centre 1.75, 2
    row = np.arange(6)[:, None] == 2
    found = count_in_regions(labels, {"row 2": np.broadcast_to(row, (6, 6))})
    assert found["objects"].tolist() == [1]


def test_tables_may_know_other_objects():
    labels, regions = scene()
    table = pd.DataFrame({"index": [9, 77], "score": [0.25, 9.0]})
    found = count_in_regions(labels, regions, table)
    assert found["score_mean"].tolist()[1] == 0.25 and found["objects"].tolist() == [1, 3, 0]
    assert "area_um2" not in found
    assert count_in_regions(labels, regions)["objects"].tolist() == [1, 3, 0]


def test_regions_of_another_image_are_refused():
    with pytest.raises(ImageError, match=r"region a has the shape \(2, 2\)"):
        count_in_regions(scene()[0], {"a": np.ones((2, 2))})
