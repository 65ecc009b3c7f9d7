"""Settings: every field has its explanation, is checked, and survives JSON."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys

import numpy as np
import pytest

from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.settings.amg import AmgSettings, FieldInfo
from napari_sam2_automask.settings.presets import PRESETS, resolve_settings

FIELDS = AmgSettings.fields()
NUMBERS = [info for info in FIELDS if info.kind in (int, float)]


def other_value(info: FieldInfo) -> object:
    """Return an allowed value of a field that is not its default."""
    if info.kind is bool:
        return not info.default
    if info.choices:
        return next(choice for choice in info.choices if choice != info.default)
    if info.reader is not None:
        return info.reader(info.example)
    if info.kind is tuple:
        return (((0.25, 0.75),),)
    return info.minimum if info.default != info.minimum else info.maximum


def changed(info: FieldInfo) -> AmgSettings:
    """Return settings in which only one field differs from the defaults, as far as that is possible."""
    extra = {"points_per_side": None} if info.name == "point_grids" else {}
    return AmgSettings(**extra, **{info.name: other_value(info)})


def test_defaults_are_those_of_metas_signature():
    from napari_sam2_automask.models import import_sam2

    import_sam2()
    from sam2.automatic_mask_generator import SAM2AutomaticMaskGenerator

    signature = inspect.signature(SAM2AutomaticMaskGenerator.__init__).parameters
    meta = {name: p.default for name, p in signature.items() if name not in ("self", "model", "kwargs")}
    ours = AmgSettings().to_json()
    assert len(meta) == 16
    assert {name: ours[name] for name in meta} == meta
    assert PRESETS["sam2-defaults"].for_model("bundled") == AmgSettings()


@pytest.mark.parametrize("info", FIELDS, ids=lambda info: info.name)
def test_every_field_explains_itself(info):
    assert info.title and len(info.help) > 20 and info.help.endswith(".")
    assert info.group in ("grid", "filter", "typical", "masks", "crops", "output")
    if info.kind in (int, float):
        assert info.minimum < info.maximum and info.step > 0
        assert info.minimum <= info.default <= info.maximum
    if info.kind is str:
        assert info.default in info.choices
    if info.reader is not None:
        assert info.reader(info.writer(other_value(info))) == other_value(info)


@pytest.mark.parametrize("info", FIELDS, ids=lambda info: info.name)
def test_json_round_trip(info):
    settings = changed(info)
    assert settings != AmgSettings()
    read = json.loads(json.dumps(settings.to_json()))
    assert AmgSettings.from_json(read) == settings
    assert read == settings.to_json()  # what is on the disk can be compared with what is asked for


@pytest.mark.parametrize("info", NUMBERS, ids=lambda info: info.name)
@pytest.mark.parametrize("side", ["below", "above", "text", "nan", "bool"])
def test_a_bad_number_names_field_range_and_value(info, side):
    step = info.step or 1
    value = {
        "below": info.minimum - step,
        "above": info.maximum + step,
        "text": "8",
        "nan": float("nan"),
        "bool": True,
    }[side]
    with pytest.raises(SettingsError) as caught:
        AmgSettings(**{info.name: value})
    assert info.name in str(caught.value)
    assert f"{info.minimum:g} to {info.maximum:g}" in str(caught.value)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"use_m2m": 1}, "true or false"),
        ({"output_mode": "png"}, "binary_mask, uncompressed_rle, coco_rle"),
        ({"points_per_side": 8.5}, "a whole number"),
        ({"points_per_side": None}, "exclude each other"),
        ({"point_grids": [[(0.5, 0.5)]]}, "exclude each other"),
        ({"points_per_side": None, "point_grids": [[]]}, "empty grid"),
        ({"points_per_side": None, "point_grids": [[(0.5, 1.5)]]}, "1.5"),
        ({"points_per_side": None, "point_grids": 3}, "point_grids"),
        ({"points_per_side": None, "point_grids": [[(0.5, 0.5)]], "crop_n_layers": 1}, "needs 2"),
        ({"filters": [("girth", 0, 1)]}, "'girth': choose from perimeter"),
        ({"filters": [("solidity", 1, 0.5)]}, "keeps nothing"),
        ({"measures": "perimeter"}, "list of names"),
        ({"measures": ["girth"]}, "'girth': choose from .*perimeter"),
        ({"measures": [3]}, "measures holds 3"),
        ({"points_per_side": 3, "crop_n_layers": 1, "crop_n_points_downscale_factor": 4}, "no point in"),
    ],
)
def test_contradictions_and_wrong_types_are_refused(wrong, words):
    with pytest.raises(SettingsError, match=words):
        AmgSettings(**wrong)


def test_unknown_names_are_refused_by_name():
    for attempt in (lambda: AmgSettings.from_json({"points": 3}), lambda: AmgSettings().replace(points=3)):
        with pytest.raises(SettingsError, match=r"'points'.*points_per_side"):
            attempt()


def test_numpy_values_are_taken_in_the_fields_own_type():
    settings = AmgSettings(
        points_per_side=np.int64(8),
        pred_iou_thresh=np.float32(0.5),
        crop_nms_thresh=1,
    )
    assert type(settings.points_per_side) is int
    assert type(settings.pred_iou_thresh) is float
    assert type(settings.crop_nms_thresh) is float
    grid = AmgSettings(points_per_side=None, point_grids=[np.array([[0.5, 0.25]])]).point_grids
    assert grid == (((0.5, 0.25),),)


@pytest.mark.parametrize(("layers", "passes"), [(0, 1), (1, 5), (2, 21), (3, 85)])
def test_encoder_passes(layers, passes):
    assert AmgSettings(crop_n_layers=layers).encoder_passes == passes


def test_point_prompts_agree_with_metas_grids():
    from napari_sam2_automask.models import import_sam2

    import_sam2()
    from sam2.utils.amg import build_all_layer_point_grids

    for layers, factor, side in [(0, 1, 7), (2, 2, 9), (2, 3, 10), (1, 4, 7)]:
        settings = AmgSettings(
            points_per_side=side, crop_n_layers=layers, crop_n_points_downscale_factor=factor
        )
        grids = build_all_layer_point_grids(side, layers, factor)
        assert settings.point_prompts == sum(4**layer * len(grid) for layer, grid in enumerate(grids))


def test_who_asks_for_points_or_crops_wants_those_and_not_a_fit():
    fitted = AmgSettings(fit_objects=True, object_diameter=12)
    for change in ({"points_per_side": 8}, {"crop_n_layers": 1}):
        assert not fitted.adjusted(**change).fitted
        assert fitted.replace(**change).fitted
    assert fitted.adjusted(pred_iou_thresh=0.5).fitted
    assert AmgSettings().adjusted(points_per_side=8, fit_objects=True).fitted
    assert AmgSettings().adjusted(object_diameter=20).fitted


@pytest.mark.parametrize(
    "change",
    [{"points_per_side": 8}, {"points_per_side": None, "point_grids": [[(0.5, 0.5)]]}, {"crop_n_layers": 1}],
)
def test_who_asks_for_points_or_crops_wants_them_on_a_grid(change):
    objects = PRESETS["balanced"].for_model("bundled")
    assert objects.at_objects and not objects.adjusted(**change).at_objects
    assert not objects.adjusted(**change, fit_objects=True).at_objects
    assert objects.adjusted(**change, prompts="objects").at_objects
    for other in ({"object_diameter": 20.0}, {"points_per_diameter": 4}, {"fit_objects": False}):
        assert objects.adjusted(**other).at_objects


def test_metas_defaults_and_presets_of_other_models_ask_on_a_grid():
    assert PRESETS["sam2-defaults"].for_model("bundled") == AmgSettings()
    assert AmgSettings().prompts == "grid"
    assert not any(preset.for_model("sam2").at_objects for preset in PRESETS.values())


def test_presets_go_from_coarse_to_fine():
    for family in ("sam2", "bundled"):
        coarse, balanced, fine = (PRESETS[n].for_model(family) for n in ("coarse", "balanced", "fine"))
        assert coarse.point_prompts < balanced.point_prompts
        assert coarse.pred_iou_thresh >= balanced.pred_iou_thresh >= fine.pred_iou_thresh
        assert coarse.crop_n_layers == 0 and not coarse.fitted
        assert fine.min_mask_region_area > 0
        assert coarse.points_per_diameter <= balanced.points_per_diameter
    assert all(settings.at_objects for settings in (coarse, balanced, fine))
    assert balanced.fitted and fine.fitted
    assert balanced.points_per_diameter < fine.points_per_diameter
    fine = PRESETS["fine"].settings
    assert fine.point_prompts > PRESETS["balanced"].settings.point_prompts
    assert fine.use_m2m and fine.crop_n_layers > 0 and fine.crop_n_points_downscale_factor == 2
    assert all(preset.purpose.endswith(".") for preset in PRESETS.values())


def test_resolving_settings():
    own = AmgSettings(points_per_side=5)
    assert resolve_settings(own, "bundled") == (own, None)
    fine = PRESETS["fine"]
    assert resolve_settings("fine", "bundled") == (fine.per_model["bundled"], fine)
    assert resolve_settings(fine, "sam2") == (fine.settings, fine)
    with pytest.raises(SettingsError, match=r"'finest'.*coarse, balanced, fine"):
        resolve_settings("finest", "sam2")


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, napari_sam2_automask as p; p.AmgSettings(); p.PRESETS; "
        "print([m for m in ('torch', 'napari', 'qtpy', 'numpy', 'pandas', 'sam2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_are_all_there():
    import napari_sam2_automask as package

    for name in package.__all__:
        assert getattr(package, name) is not None
    assert callable(package.select)
    assert callable(package.paint)
    with pytest.raises(AttributeError, match="attribute nothing"):
        _ = package.nothing


def test_measures_are_kept_once_and_in_the_order_of_their_columns():
    from napari_sam2_automask.settings.measure_names import MEASURES, read_measures

    assert AmgSettings(measures=["solidity", "perimeter", "solidity"]).measures == ("perimeter", "solidity")
    assert read_measures("all") == tuple(MEASURES)
    assert read_measures(" perimeter ,, perimeter") == ("perimeter",)
    assert set(read_measures("shape, intensity")) == set(MEASURES)


def test_filters_are_written_as_they_are_read():
    from napari_sam2_automask.settings.filters import read_filters, write_filters

    text = "circularity 0.8.., intensity_mean_my channel ..1e3,perimeter -2..0.1"
    filters = (
        ("circularity", 0.8, None),
        ("intensity_mean_my channel", None, 1000.0),
        ("perimeter", -2.0, 0.1),
    )
    assert read_filters(text) == filters
    assert read_filters(write_filters(filters)) == filters
    assert read_filters(" ") == ()
    for wrong in ("circularity", "circularity 0.8", "circularity a..b", "..3", "circularity ..", "girth 1.."):
        with pytest.raises(SettingsError, match="filters"):
            read_filters(wrong)
