"""Measures of discs, ellipses, rings, boxes and balls of known size, in pixels and micrometres."""

from __future__ import annotations

import numpy as np
import pytest
from places import ROOT
from scipy.special import ellipe
from skimage.measure import regionprops_table

from napari_sam2_automask.errors import ImageError, SettingsError
from napari_sam2_automask.image.intensity import intensity_columns
from napari_sam2_automask.image.region import Region
from napari_sam2_automask.measures import measure
from napari_sam2_automask.settings.measure_names import MEASURES, STATISTICS

NEAR = 0.02


def grid(*shape, sides=None, shift=0.2):
    """Return the places of pixels of some sides, their centre at the origin."""
    sides = (1,) * len(shape) if sides is None else sides
    middle = [(n - 1) / 2 + shift for n in shape]
    axes = [(np.arange(n) - m) * side for n, m, side in zip(shape, middle, sides, strict=True)]
    return np.meshgrid(*axes, indexing="ij")


def ellipse(a, b, angle, sides=(1.0, 1.0)):
    shape = [int(2 * max(a, b) / side) + 7 for side in sides]
    y, x = grid(*shape, sides=sides)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    return ((along / a) ** 2 + (across / b) ** 2 <= 1).astype(np.uint16)


def rectangle(height, width, angle, sides=(1.0, 1.0)):
    shape = [int(np.hypot(height, width) / side) + 7 for side in sides]
    y, x = grid(*shape, sides=sides)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    return ((abs(along) < width / 2) & (abs(across) < height / 2)).astype(np.uint16)


def only(labels, **more):
    (row,) = measure(labels, **more).to_dict("records")
    return row


def around(a, b):
    """Return the circumference of an ellipse."""
    a, b = max(a, b), min(a, b)
    return 4 * a * ellipe(1 - (b / a) ** 2)


@pytest.mark.parametrize("sides", [(1.0, 1.0), (0.5, 0.5), (0.5, 0.25), (0.3, 0.9)])
@pytest.mark.parametrize("angle", [0.0, 0.4, 1.1, np.pi / 2])
@pytest.mark.parametrize(("a", "b"), [(30, 30), (60, 30)])
def test_discs_and_ellipses(a, b, angle, sides):
    """The true shape is that in micrometres, whatever the pixels."""
    found = only(ellipse(a, b, angle, sides), pixel_size=sides, unit="um")
    assert found["perimeter_um"] == pytest.approx(around(a, b), rel=NEAR)
    assert found["circularity"] == pytest.approx(4 * np.pi * np.pi * a * b / around(a, b) ** 2, rel=2 * NEAR)
    assert found["axis_major_length_um"] == pytest.approx(2 * a, rel=NEAR)
    assert found["axis_minor_length_um"] == pytest.approx(2 * b, rel=NEAR)
    assert found["feret_diameter_max_um"] == pytest.approx(2 * a, rel=NEAR)
    assert found["feret_diameter_min_um"] == pytest.approx(2 * b, rel=NEAR)
    assert found["equivalent_diameter_um"] == pytest.approx(2 * np.sqrt(a * b), rel=NEAR)
    assert found["solidity"] > 1 - 2 * NEAR
    if a != b:
        assert found["eccentricity"] == pytest.approx(np.sqrt(1 - (b / a) ** 2), rel=NEAR)
        # The angle is counted from the rows' axis, and has no direction.
        assert abs(np.sin(found["orientation"] - (np.pi / 2 - angle))) < NEAR
    if len(set(sides)) == 1:
        assert found["perimeter"] == pytest.approx(found["perimeter_um"] / sides[0])


@pytest.mark.parametrize("angle", [0.0, 0.2, 0.5, np.pi / 4])
@pytest.mark.parametrize("sides", [(1.0, 1.0), (0.5, 0.25)])
def test_boxes(angle, sides):
    found = only(rectangle(60, 90, angle, sides), pixel_size=sides, unit="um")
    assert found["perimeter_um"] == pytest.approx(300, rel=NEAR)
    assert found["feret_diameter_max_um"] == pytest.approx(np.hypot(60, 90), rel=NEAR)
    assert found["feret_diameter_min_um"] == pytest.approx(60, rel=NEAR)
    assert found["circularity"] == pytest.approx(4 * np.pi * 5400 / 300**2, rel=2 * NEAR)
    if angle == 0:
        assert found["extent"] == found["solidity"] == 1


def test_rings():
    """The outline of the hole belongs to the perimeter; the hull does not know of it."""
    y, x = grid(70, 70)
    ring = ((np.hypot(y, x) <= 30) & (np.hypot(y, x) > 15)).astype(np.uint16)
    found = only(ring)
    assert found["area"] == pytest.approx(np.pi * (30**2 - 15**2), rel=NEAR)
    assert found["perimeter"] == pytest.approx(2 * np.pi * 45, rel=NEAR)
    assert found["solidity"] == pytest.approx(1 - 0.25, rel=NEAR)
    assert found["feret_diameter_max"] == pytest.approx(60, rel=NEAR)


def test_moments_and_hull_are_those_of_scikit_image():
    rng = np.random.default_rng(0)
    labels = np.zeros((60, 80), np.int32)
    for label in range(1, 9):
        y, x = rng.integers(0, 45), rng.integers(0, 60)
        labels[y : y + rng.integers(5, 15), x : x + rng.integers(5, 20)][rng.random() < 0.9] = label
    labels[rng.random(labels.shape) < 0.1] = 0
    names = {
        "solidity": "solidity", "extent": "extent", "eccentricity": "eccentricity",
        "axis_major_length": "axis_major_length", "axis_minor_length": "axis_minor_length",
        "orientation": "orientation", "equivalent_diameter": "equivalent_diameter_area",
        "centroid_y": "centroid-0", "centroid_x": "centroid-1",
    }  # fmt: skip
    theirs = regionprops_table(labels, properties=[name.split("-")[0] for name in names.values()])
    found = measure(labels)
    assert len(found) > 4
    for own, other in names.items():
        np.testing.assert_allclose(found[own], theirs[other], rtol=1e-6, atol=1e-9, err_msg=own)


@pytest.mark.parametrize("sides", [(1.0, 1.0, 1.0), (2.0, 0.5, 0.5)])
def test_bodies(sides):
    z, y, x = grid(*(int(50 / side) + 8 for side in sides), sides=sides, shift=0.0)
    ball = (np.sqrt(z**2 + y**2 + x**2) <= 25).astype(np.uint16)
    found = only(ball, pixel_size=sides, unit="um")
    assert found["volume_um3"] == pytest.approx(4 / 3 * np.pi * 25**3, rel=NEAR)
    assert found["volume"] == found["voxels"] == np.count_nonzero(ball)
    assert found["surface_area_um2"] == pytest.approx(4 * np.pi * 25**2, rel=NEAR)
    assert found["axis_major_length_um"] == pytest.approx(50, rel=NEAR)
    assert found["equivalent_diameter_um"] == pytest.approx(50, rel=NEAR)
    assert found["solidity"] > 0.95
    box = np.zeros((60, 80, 90), np.uint16)
    box[5:45, 10:60, 20:80] = 4
    found = only(box)
    assert found["surface_area"] == pytest.approx(2 * (40 * 50 + 50 * 60 + 40 * 60), rel=NEAR)
    assert (found["volume"], found["solidity"], found["extent"]) == (120_000, 1, 1)
    assert (found["centroid_z"], found["centroid_y"], found["centroid_x"]) == (24.5, 34.5, 49.5)
    assert found["axis_minor_length"] == pytest.approx(np.sqrt(20 * (40**2 - 1) / 12), rel=1e-6)


@pytest.mark.parametrize("thick", [1, 4, 8])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_surfaces_are_true_however_far_planes_lie_apart(axis, thick):
    def surface(body):
        sides = np.roll([float(thick), 1, 1], axis)
        body = np.moveaxis(body, 0, axis) if axis < 2 else body.transpose(1, 2, 0)
        return only(body.astype(np.uint16), pixel_size=tuple(sides), unit="um")["surface_area_um2"]

    y, x = grid(60, 60)
    round_one = np.hypot(y, x) <= 25
    for planes in (1, 24 // thick, 48 // thick):
        height = planes * thick
        body = np.repeat(round_one[None], planes, 0)
        assert surface(np.pad(body, ((2, 2), (0, 0), (0, 0)))) == pytest.approx(
            2 * np.pi * 25**2 + 2 * np.pi * 25 * height, rel=NEAR
        )
        box = np.pad(np.ones((planes, 30, 50), bool), 1)
        assert surface(box) == pytest.approx(2 * (30 * 50 + 80 * height), rel=NEAR)


def test_a_ball_in_few_planes_has_about_its_surface():
    for thick, error in ((2, 0.03), (4, 0.06)):
        z, y, x = grid(24 // thick + 5, 30, 30, sides=(thick, 1, 1))
        ball = (z**2 + y**2 + x**2 <= 12**2).astype(np.uint16)
        found = only(ball, pixel_size=(thick, 1, 1), unit="um")["surface_area_um2"]
        assert found == pytest.approx(4 * np.pi * 12**2, rel=error)


def test_points_and_lines_have_numbers_too():
    labels = np.zeros((9, 9), np.uint16)
    labels[1, 1], labels[3, 1:7], labels[5:8, 5] = 1, 2, 3
    np.fill_diagonal(labels[5:8, 0:3], 4)
    for found in (measure(labels), measure(np.stack([labels, labels])), measure(labels[None])):
        assert np.isfinite(found.to_numpy()).all()
        assert found["index"].tolist() == [1, 2, 3, 4]
        assert (found["solidity"] <= 1).all() and (found["solidity"] > 0).all()


def test_intensities_of_each_channel():
    labels = np.array([[1, 1, 0], [2, 2, 2]])
    dapi = np.array([[1.0, 3.0, 9.0], [np.nan, 5.0, np.inf]])
    gfp = np.ma.masked_equal([[0, 200, 7], [9, 9, 9]], 9).astype(np.uint8)
    found = measure(labels, STATISTICS, image={"DAPI": dapi, "GFP": gfp})
    statistics = ("mean", "min", "max", "std", "sum")
    assert [found[f"intensity_{one}_DAPI"][0] for one in statistics] == [2, 1, 3, 1, 4]
    assert [found[f"intensity_{one}_DAPI"][1] for one in statistics] == [5, 5, 5, 0, 5]
    assert [found[f"intensity_{one}_GFP"][0] for one in statistics] == [100, 0, 200, 100, 200]
    colours = np.stack([np.full((2, 3), value, np.uint8) for value in (10, 20, 30, 255)], -1)
    found = measure(labels, ["intensity_sum"], image=colours)
    assert found.columns.tolist() == [
        "index", "area", "intensity_sum_red", "intensity_sum_green", "intensity_sum_blue"
    ]  # fmt: skip
    assert found.iloc[1].tolist() == [2, 3, 30, 60, 90]
    stack = np.stack([labels, labels])
    found = measure(
        stack, ["intensity_mean", "volume"], image=np.stack([np.ones((2, 3)), np.full((2, 3), 3)])
    )
    assert found["intensity_mean"].tolist() == [2, 2] and found["volume"].tolist() == [4, 6]
    # Each is a float, but not their sum.
    (mean, _) = measure(labels, ["intensity_mean"], image=np.full((2, 3), 1.5e308))["intensity_mean"]
    assert mean == pytest.approx(1.5e308)


@pytest.mark.parametrize("planes", [None, 2])
@pytest.mark.parametrize("nothing", ["masked", np.nan, np.inf])
def test_where_nothing_was_measured_no_statistic_is_known(planes, nothing):
    labels = np.array([[1, 1, 0], [2, 2, 2]])
    image = np.array([[0.0, 0.0, 7.0], [0.0, 0.0, 0.0]])
    if nothing == "masked":
        image = np.ma.MaskedArray(image, mask=labels == 2)
    else:
        image[labels == 2] = nothing
    if planes:
        labels, image = np.stack([labels] * planes), np.ma.stack([image] * planes)
    found = measure(labels, STATISTICS, image=image)[list(STATISTICS)]
    assert (found.iloc[0] == 0).all() and found.iloc[1].isna().all()


def test_columns_have_their_unit_in_their_name():
    labels = ellipse(5, 5, 0)
    found = measure(labels, ["centroid", "perimeter", "solidity"], pixel_size=(500, 500), unit="nanometer")
    assert found.columns.tolist() == [
        "index", "area", "centroid_y", "centroid_x", "centroid_y_um", "centroid_x_um", "perimeter",
        "perimeter_um", "solidity",
    ]  # fmt: skip
    assert found["perimeter_um"][0] == pytest.approx(found["perimeter"][0] / 2)
    assert "perimeter_um" not in measure(labels, pixel_size=(1, 1), unit="furlong")
    assert len(measure(np.zeros((4, 4), int))) == 0


def test_centroids_lie_in_micrometres_too_also_in_a_region():
    labels = np.zeros((9, 20), int)
    labels[2:5, 10:15] = 1
    row = dict(measure(labels, ["centroid"], pixel_size=(500, 250), unit="nm").iloc[0])
    assert (row["centroid_y"], row["centroid_x"]) == (3, 12)
    assert (row["centroid_y_um"], row["centroid_x_um"]) == (1.5, 3)
    part = measure(labels[1:, 4:], ["centroid"], pixel_size=(500, 250), unit="nm")
    found = Region("part", (1, 4, 9, 20)).shifted(part, (500, 250), "nm")
    assert dict(found.iloc[0]) == row
    body = measure(np.ones((3, 5, 7), int), ["centroid"], pixel_size=(2, 1, 0.5), unit="um").iloc[0]
    assert (body["centroid_z_um"], body["centroid_y_um"], body["centroid_x_um"]) == (2, 2, 1.5)


def test_measures_that_mean_nothing_are_left_out():
    flat, body = ({*measure(np.ones(shape, np.int64))} for shape in ((4, 4), (4, 4, 4)))
    assert {"perimeter", "circularity"} <= flat and not {"volume", "surface_area"} & flat
    assert {"volume", "surface_area"} <= body and not {"perimeter", "circularity"} & body
    for info in MEASURES.values():
        assert info.help and not info.help.endswith(".")


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"labels": np.ones(3, int)}, ImageError, "shape"),
        ({"labels": np.ones((3, 3))}, ImageError, "whole numbers"),
        ({"labels": np.full((3, 3), 2**63, np.uint64)}, ImageError, "9223372036854775808.*number them anew"),
        ({"measures": ["girth"]}, SettingsError, "girth"),
        ({"image": np.ones((4, 3))}, ImageError, r"\(4, 3\)"),
        ({"image": np.ones((3, 3, 3, 3))}, ImageError, "does not fit"),
        ({"pixel_size": (1, 0), "unit": "um"}, SettingsError, "pixel_size"),
        ({"pixel_size": (1,), "unit": "um"}, SettingsError, "2 numbers"),
    ],
)
def test_what_cannot_be_measured_is_said(arguments, error, words):
    with pytest.raises(error, match=words):
        measure(**({"labels": np.ones((3, 3), int)} | arguments))


def test_a_channel_of_another_shape_is_refused():
    with pytest.raises(ImageError, match="does not fit"):
        intensity_columns({"a": np.ones((2, 2))}, np.ones((3, 3), int), {}, ["intensity_mean"])


def test_the_page_has_every_measure():
    page = (ROOT / "docs" / "measures.md").read_text("utf-8")
    for info in MEASURES.values():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{info.name}` |")]
        assert info.help in row and ("µm" in row) == (info.power > 0)
