"""Any damage to any file that is read ends in what it says or in one line, and any JSON does."""

from __future__ import annotations

import json
import random
import shutil
import warnings

import pytest
from valid_files import KINDS, check_line, damage

from napari_sam2_automask.errors import AutomaskError
from napari_sam2_automask.files.coco import CocoFile
from napari_sam2_automask.image.pick import Pick
from napari_sam2_automask.image.region import Region
from napari_sam2_automask.large.spec import LargeSpec
from napari_sam2_automask.record.record import Record
from napari_sam2_automask.record.settings_in import settings_from
from napari_sam2_automask.settings.amg import AmgSettings
from napari_sam2_automask.settings.numbers import Bound, shown

pytest.importorskip("hypothesis", reason="it comes with the extra [test]")
from hypothesis import HealthCheck, given, settings, strategies as st

# The same examples at every run, as many as take a minute in all.
SAME = {"derandomize": True, "deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
SOUND = {
    "segmentation", "images", "settings", "format", "format_version", "annotations", "id", "image_id", "box",
    "name", "mask", "height", "width", "counts", "size", "categories", "plane", "axes", "image", "output",
    "tile",
}  # fmt: skip
PARAMETERS = [info.name for info in AmgSettings.fields()]
NAMES = st.sampled_from(sorted(SOUND | set(PARAMETERS))) | st.text(max_size=5)
NUMBERS = (
    st.integers()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.sampled_from([0, 1, 2, 40, 2**31, 2**53, 2**63])
)
ANY = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(NAMES, inner, max_size=8),
    max_leaves=30,
)


def refusal(call, *arguments):
    """Return what a call returns, and what it says if it refuses to; that is one line, and not a long one."""
    try:
        return call(*arguments), ""
    except AutomaskError as error:
        text = str(error)
    assert text and "\n" not in text and len(text) < 2000
    return None, text


@given(data=ANY)
@settings(max_examples=400, **SAME)
def test_whatever_json_says(data):
    for read in (settings_from, AmgSettings.from_json, Record.of, LargeSpec.from_json):
        refusal(read, data)
    for read in (Pick.from_json, Region.from_json):
        refusal(read, data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        refusal(CocoFile.of, data, "x.json")


@given(values=st.dictionaries(st.sampled_from(PARAMETERS), ANY, min_size=1, max_size=3))
@settings(max_examples=300, **SAME)
def test_settings_are_right_or_refused(values):
    read, refused = refusal(AmgSettings.from_json, values)
    if not refused:
        told = json.loads(json.dumps(read.to_json(), allow_nan=False))
        assert AmgSettings.from_json(told) == read


@given(
    value=ANY, low=st.integers(-1000, 1000), width=st.integers(0, 10**6), kind=st.sampled_from([int, float])
)
@settings(max_examples=300, **SAME)
def test_a_number_within_its_bound_is_itself(value, low, width, kind):
    bound = Bound(kind, low, low + width)
    read, refused = refusal(bound.check, value, "it")
    if refused:
        assert refused.startswith("it must be ")
        number = type(value) in (int, float) and low <= value <= low + width
        assert not (number and (kind is float or value == int(value)))
    else:
        assert read == value and type(read) is kind and low <= read <= low + width


@given(value=ANY)
@settings(max_examples=200, **SAME)
def test_what_is_shown_is_short(value):
    assert "\n" not in shown(value) and len(shown(value)) < 1000


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    """Return a valid file of a kind, made once."""
    made = {}

    def get(kind):
        if kind not in made:
            made[kind] = KINDS[kind].make(tmp_path_factory.mktemp("valid"))
        return made[kind]

    return get


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files(kind, valid, tmp_path):
    source = valid(kind)

    @given(seed=st.integers(0, 2**32))
    @settings(max_examples=20, **SAME)
    def damaged(seed):
        place = tmp_path / str(seed)
        shutil.copytree(source.parent, place, dirs_exist_ok=True)
        path = place / source.name
        damage(kind, path, random.Random(seed))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                KINDS[kind].read(path)
            except AutomaskError as error:
                check_line(error, path)
        shutil.rmtree(place)

    damaged()


def test_valid_files_are_read(valid):
    refused = {
        "record": "does not hold the pixels",
        "safetensors": "another model",
        "checkpoint": "another model",
    }
    for kind, one in KINDS.items():
        if kind in refused:
            with pytest.raises(AutomaskError, match=refused[kind]):
                one.read(valid(kind))
        else:
            one.read(valid(kind))
