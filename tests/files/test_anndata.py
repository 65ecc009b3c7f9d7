"""AnnData: what is handed to the package that writes it, which a small class stands in for."""

from __future__ import annotations

import importlib.util
import pickle
import sys
import types
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import pytest

from napari_sam2_automask.errors import FormatError, SettingsError
from napari_sam2_automask.files import Outlines, export
from napari_sam2_automask.files.formats import exporting
from napari_sam2_automask.files.pixel_size import FileScale


@dataclass
class AnnData:
    X: np.ndarray
    obs: pd.DataFrame
    var: pd.DataFrame
    obsm: dict = field(default_factory=dict)
    uns: dict = field(default_factory=dict)

    def write_h5ad(self, path):
        path.write_bytes(pickle.dumps((self.X, self.obs, self.var, self.obsm, self.uns)))


@pytest.fixture
def package(monkeypatch):
    """Let a package be there that keeps what it is given."""
    module = types.ModuleType("anndata")
    module.AnnData = AnnData
    module.__spec__ = importlib.util.spec_from_loader("anndata", None)
    monkeypatch.setitem(sys.modules, "anndata", module)


LABELS = np.zeros((20, 30), np.uint16)
LABELS[2:5, 3:9], LABELS[10:15, 20:27] = 7, 3
TABLE = pd.DataFrame(
    {"index": [3, 7, 9], "area": [35, 18, 0], "bbox_y0": [10, 2, 0], "circularity": [0.5, 0.25, np.nan],
     "edited": ["", "added", ""]}
)  # fmt: skip


def written(outlines, tmp_path):
    path = export(outlines, tmp_path / "a.h5ad", "anndata", name="cells.tif")
    return AnnData(*pickle.loads(path.read_bytes()))


def test_measures_places_and_the_rest_of_the_table(package, tmp_path):
    outlines = replace(
        Outlines.of_labels(LABELS, "cells.tif", TABLE), scale=FileScale.of_size((None, 500.0, 250.0, "nm"))
    )
    found = written(outlines, tmp_path)
    np.testing.assert_array_equal(found.X, TABLE[["area", "circularity"]].to_numpy(float))
    assert found.var.index.tolist() == ["area", "circularity"] and found.uns == {"image": "cells.tif"}
    assert found.obs.index.tolist() == ["3", "7", "9"]
    assert found.obs.to_dict("list") == {"bbox_y0": [10, 2, 0], "edited": ["", "added", ""]}
    np.testing.assert_array_equal(found.obsm["spatial"], [[23, 12], [5.5, 3], [np.nan, np.nan]])
    np.testing.assert_array_equal(found.obsm["spatial_um"][:2], [[5.75, 6], [1.375, 1.5]])


def test_objects_of_several_planes_have_one_place(package, tmp_path):
    stack = np.stack([LABELS, LABELS * 0, LABELS])
    table = TABLE[:2]
    along_z = written(
        replace(Outlines.of_labels(stack, table=table), scale=FileScale.of_size((2.0, 1.0, 1.0, "um"))),
        tmp_path,
    )
    np.testing.assert_array_equal(along_z.obsm["spatial"], [[23, 12, 1], [5.5, 3, 1]])
    np.testing.assert_array_equal(along_z.obsm["spatial_um"], [[23, 12, 2], [5.5, 3, 2]])
    in_time = written(Outlines.of_labels(stack, table=table, axis="t"), tmp_path)
    np.testing.assert_array_equal(in_time.obsm["spatial"], [[23, 12], [5.5, 3]])
    assert "spatial_um" not in in_time.obsm


def test_what_cannot_be_written_is_said_before(package, tmp_path, monkeypatch):
    with pytest.raises(FormatError, match="there are none: give a table"):
        export(LABELS, tmp_path / "a.h5ad", "anndata")
    monkeypatch.setattr(exporting, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"pip install 'napari-sam2-automask\[anndata\]'"):
        export(LABELS, tmp_path / "a.h5ad", "anndata")
    assert not list(tmp_path.iterdir())
