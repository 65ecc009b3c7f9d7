"""Planes of records from the viewer, cut out of files as its readers show them."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.image.view import image_hash
from napari_sam2_automask.record.making import make_record
from napari_sam2_automask.record.record import Record
from napari_sam2_automask.replay.inputs import Inputs
from napari_sam2_automask.replay.viewer_planes import ViewerCut
from napari_sam2_automask.settings.amg import AmgSettings

GRAY = np.add.outer(np.arange(20), np.arange(30)).astype(np.uint8)
COLOURS = np.stack([np.arange(256, dtype=np.uint16)[::-1] * 257] * 3)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(
    ("pixels", "how"),
    [
        (GRAY, {"photometric": "palette", "colormap": COLOURS}),
        (GRAY, {"photometric": "miniswhite"}),
        (np.stack([GRAY] * 4, -1), {"photometric": "separated"}),
        (np.stack([GRAY, 2 * GRAY]), {"photometric": "miniswhite"}),
    ],
)
def test_what_is_converted_is_also_found_as_it_is_stored(tmp_path, pixels, how, compression):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, compression=compression, **how)
    shown = tifffile.imread(path)  # as the viewer's own reader does
    shape = shown.shape[:-1] if shown.shape[-1] == 4 else shown.shape
    stack = len(shape) == 3
    cut = ViewerCut(shape, (1, 2) if stack else (0, 1), 0, ((1,),) if stack else ((),))
    found = cut.picture(path, 0, stored=True)
    expected = shown[1] if stack else shown
    assert found is not None and image_hash(np.asarray(found)) == image_hash(expected)
    converted = cut.picture(path, 0)
    assert converted is None or image_hash(np.asarray(converted)) != image_hash(expected)


def test_what_is_stored_as_it_is_shown_is_found_once(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GRAY)
    cut = ViewerCut(GRAY.shape, (0, 1), 0, ((),))
    np.testing.assert_array_equal(cut.picture(tmp_path / "a.tif", 0), GRAY)
    assert cut.picture(tmp_path / "a.tif", 0, stored=True) is None


@pytest.mark.parametrize(
    "wrong", [{"rows_columns": (9, 2)}, {"rows_columns": (1, 1)}, {"over": 1, "projected": "max"}]
)
def test_axes_that_cannot_be_are_told_with_the_record(tmp_path, wrong):
    tifffile.imwrite(tmp_path / "a.tif", np.stack([GRAY] * 2))
    viewer = {"shape": (2, *GRAY.shape), "rows_columns": (1, 2), "planes": [(0,)]} | wrong
    record = Record.of(make_record(AmgSettings(), viewer=viewer), "it")
    with pytest.raises(SettingsError, match=r"b\.record\.json: the record is damaged"):
        Inputs.of(record, tmp_path / "b.record.json", tmp_path / "a.tif")
