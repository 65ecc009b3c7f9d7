"""Numbers of every kind at every door: the right value, or one line with name, value and range."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import tifffile
from candidate_factory import Blob, make_candidates
from one_line import check, run

from napari_sam2_automask.api import propose, segment
from napari_sam2_automask.candidates.candidates import Floor
from napari_sam2_automask.errors import AutomaskError, SettingsError
from napari_sam2_automask.evaluation.sweeping import settings_of_sweep
from napari_sam2_automask.evaluation.tuning import tune
from napari_sam2_automask.files.opening import open_file
from napari_sam2_automask.files.reading import read_image
from napari_sam2_automask.files.stack_file import open_stack
from napari_sam2_automask.image.pick import Pick
from napari_sam2_automask.image.view import to_model_view
from napari_sam2_automask.large.run import segment_large
from napari_sam2_automask.large.source.source import ArraySource
from napari_sam2_automask.large.spec import LargeSpec
from napari_sam2_automask.settings.amg import AmgSettings
from napari_sam2_automask.settings.numbers import THREADS, WORKERS
from napari_sam2_automask.settings.physical import in_pixels
from napari_sam2_automask.settings.units import Pixel
from napari_sam2_automask.stack.carrying import Propagation
from napari_sam2_automask.stack.linked_planes import link_planes
from napari_sam2_automask.workers.process_executor import ProcessExecutor

GRAY = np.tile(np.arange(24, dtype=np.uint8), (16, 1))
NAN, INF = math.nan, math.inf
# What is a number nowhere, or in no range that there is. Some would fill a screen if they were shown whole.
NEVER = {
    "nan": NAN,
    "infinity": INF,
    "minus infinity": -INF,
    "1e300": 1e300,
    "minus 1e300": -1e300,
    "a whole number of 400 digits": 10**400,
    "one of 5,000 digits": -(10**5000),
    "true": True,
    "text": "8",
    "a list": [8],
    "a dictionary": {},
    "bytes": b"8",
    "complex": 8j,
    "a type": int,
    "numpy nan": np.float32(NAN),
    "numpy true": np.bool_(True),
    "an array of nan": np.array(NAN),
    "an array of two": np.array([1, 2]),
    "a long array": np.zeros(10_000),
    "nested": [[[[[[[[]]]]]]]],
}
NUMBERS = [info for info in AmgSettings.fields() if info.minimum is not None]


def one_line(error, *words):
    text = str(error.value)
    assert "\n" not in text and len(text) < 400, text
    for word in words:
        assert word in text


@pytest.mark.parametrize("value", NEVER.values(), ids=NEVER)
@pytest.mark.parametrize("info", NUMBERS, ids=lambda info: info.name)
def test_settings(info, value):
    with pytest.raises(SettingsError) as error:
        AmgSettings(**{info.name: value})
    one_line(error, info.name, info.range_text, "but is", "choose a value in that range")


@pytest.mark.parametrize("info", NUMBERS, ids=lambda info: info.name)
def test_what_is_sensible_is_taken_in_the_type_of_python(info):
    for bound in (info.minimum, info.maximum):
        for kind in (int, float, np.float64, np.float32, np.int64, np.uint32, Fraction, np.array):
            if (kind in (np.uint32,) and bound < 0) or (kind not in (float, np.float64) and bound % 1):
                continue
            read = info.check(kind(int(bound)) if kind is not float and bound == int(bound) else kind(bound))
            assert read == bound and type(read) is info.kind
    if info.minimum == 0 and info.kind is float:
        assert math.copysign(1, info.check(-0.0)) == 1
    beyond = (
        info.minimum - 1,
        info.maximum + 1,
        np.nextafter(info.maximum, INF),
        np.nextafter(info.minimum, -INF),
    )
    for value in beyond:
        with pytest.raises(SettingsError):
            info.check(value)


SOUND, GRIDS = AmgSettings(), {"points_per_side": None}
OTHERS = {
    "use_m2m": [1, 0.0, "true", None, np.array([True, False]), NAN, []],
    "overlap": ["", "SMALL_ON_TOP", 1, True, None, ["small_on_top"], np.array(["a", "b"]), {}, b"best_score"],
    "filters": [
        "extent 0.8..", ["extent"], [("extent", 0.8)], [("girth", 0, 1)], [("extent", None, None)],
        [("extent", 1, 0)], [("extent", "0.8", None)], [("extent", NAN, 1)], [("extent", 0, INF)],
        [("extent", 0, 1)] * 2, [(3, 0, 1)], [("volume", 0, 1)], [("extent", True, None)], {"a": 1}, 3, None,
    ],
    "measures": ["perimeter", ["girth"], [None], [["perimeter"]], {"perimeter"}, 3, None, ["perimeter"] * 99],
    "point_grids": [
        [], [[]], [[[0.5]]], [[[0.5, 0.5, 0.5]]], [[["0.5", 0.5]]], [[[True, 0.5]]], [[[NAN, 0.5]]],
        [[[INF, 0]]], [[[10**400, 0.5]]], [[[-1e-9, 0.5]]], [[[0.5, 1.0000001]]], "[[[0.5, 0.5]]]", 3,
        {"a": 1}, [0.5, 0.5],
        [[0.5, 0.5]], [[[0.5, None]]], [{0.5: 0.5}], [[{0.5, 0.25}]], np.zeros(3), np.zeros((2, 2)),
        [np.zeros((1_000_001, 2))], [[[[0.5, 0.5]]]], [[[0.5, 0.5j]]],
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"), [(name, one) for name, values in OTHERS.items() for one in values]
)
def test_what_is_no_number(name, value):
    with pytest.raises(SettingsError) as error:
        AmgSettings(**{name: value}, **(GRIDS if name == "point_grids" else {}))
    one_line(error, name)


def test_numpy_gives_switches_choices_and_grids():
    read = AmgSettings(
        use_m2m=np.bool_(True), overlap=np.str_("best_score"), point_grids=[np.array([[0.5, -0.0]])], **GRIDS
    )
    assert read.use_m2m is True and read.overlap == "best_score" and read.point_grids == (((0.5, 0.0),),)


def test_a_million_points_are_taken():
    assert len(AmgSettings(point_grids=[np.full((1_000_000, 2), 0.5)], **GRIDS).point_grids[0]) == 1_000_000


@pytest.mark.parametrize(
    "data", [None, 3, "a", [], [1], {3: 4}, {"": 1}, {"points": 1}, dict.fromkeys(map(str, range(9999)))]
)
def test_names_of_settings(data):
    with pytest.raises(SettingsError) as error:
        AmgSettings.from_json(data)
    assert "\n" not in str(error.value) and len(str(error.value)) < 1000


SCENE = make_candidates((32, 32), [Blob(9, 9, 5, 5, 0.9), Blob(22, 22, 5, 5, 0.8)])
MARKED = np.pad(np.ones((10, 10), np.int32), ((4, 18), (4, 18)))
LABELS = np.stack([MARKED, MARKED])


def large(folder, **more):
    return segment_large(ArraySource(GRAY), folder / "out.zarr", None, **more)


# Where numbers come in by Python: what is called with a value -> names that the line may give it.
DOORS = {
    "propose, floor": (lambda v, f: propose(GRAY, floor=(v, 0.5)), ["floor"]),
    "segment, floor": (lambda v, f: segment(GRAY, floor=(0.5, v)), ["floor"]),
    "propose, contrast": (lambda v, f: propose(GRAY, contrast_limits=(v, v)), ["contrast_limits"]),
    "view, percentiles": (lambda v, f: to_model_view(GRAY, percentiles=(0.5, v)), ["percentiles"]),
    "a floor": (lambda v, f: Floor(v, 0.5), ["floor"]),
    "a pixel": (lambda v, f: Pixel(0.5, v), ["pixel"]),
    "a length": (lambda v, f: in_pixels(SOUND, None, object_diameter=v), ["object_diameter"]),
    "an area": (lambda v, f: in_pixels(SOUND, None, min_area=v), ["min_area"]),
    "a start": (lambda v, f: Propagation(start=v), ["start"]),
    "every so many": (lambda v, f: Propagation(new_every=v), ["new_every"]),
    "patience": (lambda v, f: Propagation(give_up=v), ["give_up"]),
    "a gap": (lambda v, f: link_planes(LABELS, max_gap=v), ["max_gap"]),
    "an overlap": (lambda v, f: link_planes(LABELS, min_iou=v), ["min_iou"]),
    "a cost": (lambda v, f: link_planes(LABELS, gap_cost=v), ["gap_cost"]),
    "a spacing": (lambda v, f: link_planes(LABELS, spacing=(1, v, 1)), ["spacing"]),
    "a sweep": (lambda v, f: settings_of_sweep(SOUND, "pred_iou_thresh", [v]), ["pred_iou_thresh"]),
    "tune, seconds": (lambda v, f: tune(SCENE, MARKED, seconds=v), ["seconds"]),
    "tune, ids": (lambda v, f: tune(SCENE, MARKED, ids=[v]), ["ids"]),
    "tune, bad": (lambda v, f: tune(SCENE, MARKED, bad=[v]), ["bad"]),
    "a plane": (lambda v, f: read_image(f / "a.tif", v), ["plane"]),
    "a level": (lambda v, f: open_stack(f / "a.tif", level=v), ["level"]),
    "a series": (lambda v, f: open_file(f / "a.tif", series=v), ["series"]),
    "a pick": (lambda v, f: Pick(channel=v), ["channel"]),
    "a tile": (lambda v, f: large(f, tile=v), ["tile"]),
    "a strip": (lambda v, f: large(f, overlap=v), ["overlap"]),
    "a window": (lambda v, f: large(f, window=v), ["window"]),
    "a block": (lambda v, f: large(f, block=v), ["block"]),
    "a voxel": (lambda v, f: large(f, spacing=(v, 1, 1)), ["spacing"]),
    "an origin": (lambda v, f: large(f, origin=(v, 1, 1)), ["origin"]),
    "threads": (lambda v, f: LargeSpec("a", "b", SOUND, threads=v), ["threads"]),
    "workers": (lambda v, f: LargeSpec("a", "b", SOUND, workers=v), ["workers"]),
    "processes": (lambda v, f: ProcessExecutor(v), ["workers"]),
}
# Numbers that are text, and text that names a plane, are taken where that is meant.
TAKEN = {"a length": ["text"], "an area": ["text"], "a sweep": ["text"]}


@pytest.mark.parametrize("door", DOORS)
def test_arguments(door, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GRAY)
    call, words = DOORS[door]
    for name, value in NEVER.items():
        if name in TAKEN.get(door, ()) or (door == "a gap" and name == "an origin"):
            continue
        with pytest.raises(AutomaskError) as error:
            call(value, tmp_path)
        one_line(error, *words)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


RUN = {"image": "a", "output": "b", "settings": {}}


@pytest.mark.parametrize(
    "data",
    [
        None, [], {}, RUN | {"image": 3}, RUN | {"settings": []}, RUN | {"gpus": 1}, RUN | {"axis": "y"},
        RUN | {"spacing": "123"}, RUN | {"tile": None}, RUN | {"model": ["bundled"]}, RUN | {"no such": 1},
    ],
)  # fmt: skip
def test_what_describes_a_large_run(data):
    with pytest.raises(SettingsError) as error:
        LargeSpec.from_json(data)
    one_line(error)


OPTIONS = {
    "--workers": ["0", "-1", str(WORKERS.maximum + 1), "9" * 400],
    "--threads": ["-1", str(THREADS.maximum + 1), "9" * 400],
    "--plane": ["-1", "9" * 400],
    "--level": ["-1", "9" * 400],
    "--new-every": ["-1", "9" * 400],
    "--channel": ["-1", "1.0", "nan", "9" * 5000, "²"],
    "--series": ["-1", "1.0", "nan", "9" * 5000],
    "--planes": ["1:9" + "9" * 5000, "-1:2", "a:b", "5:2", "nan:inf"],
    "--start": ["-1", "9" * 5000, "nan"],
    "--pixel-size": ["0", "-1", "nan", "inf", "1e300", "1e999 um", "1 px2", "x", "9" * 5000],
    "--object-diameter": ["-1", "nan", "inf", "1e300 um", "1e-400 m2", "9" * 5000 + " um"],
    "--min-area": ["-1", "nan", "1e999 um2", "1e119 um2", "8 um"],
    "--spacing": ["0 1 1", "nan 1 1", "1 inf 1", "1 1 -1", "1e300 1 1", "1 1e-300 1"],
    "--floor": ["nan 0", "0 inf", "-1 0", "0 1.5", "1e300 0"],
    "--contrast-limits": ["nan 1", "0 inf", "1 1", "2 1"],
    "--points-per-side": ["0", "257", "9" * 400],
    "--candidate-memory": ["0", "-1", "9" * 400],
    "--crop-overlap-ratio": ["nan", "inf", "-inf", "1e300", "0.91", "-1e-9"],
    "--mask-threshold": ["nan", "-20.5", "1e999"],
    "--point-grids": ["[[[nan]]]", "[[[1e999, 0]]]", "[" * 3000, "[[[True, 0]]]", "(((0.5, 0.5, 1),),)",
                      "[[[9**9, 1]]]"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("option", "value"), [(option, value) for option, values in OPTIONS.items() for value in values]
)
def test_options(option, value, tmp_path, capsys, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", GRAY)
    monkeypatch.chdir(tmp_path)
    more = {"--start": ["--link", "z", "--propagate"], "--new-every": ["--link", "z", "--propagate"]}
    values = value.split(" ") if option in ("--spacing", "--floor", "--contrast-limits") else [value]
    given = [option, *values] if len(values) > 1 else [f"{option}={value}"]
    code, lines = run(capsys, monkeypatch, "segment", "a.tif", "--out", "out", *more.get(option, []), *given)
    check(code, lines, [option[2:].split("-")[0]])
    assert len(lines[0]) < 600 and not list((tmp_path / "out").glob("*"))
