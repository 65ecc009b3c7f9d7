"""Measures, filters and cells come again from the record, byte for byte; of stacks too."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import tifffile
from typer.testing import CliRunner

from napari_sam2_automask.cli.commands import app

ANYTHING = ["--points-per-side", "3", "--pred-iou-thresh", "0.1", "--stability-score-thresh", "0.1"]
FILTERS = "circularity 0.3.., intensity_max 1000.."
WANTED = ["--measures", "all", "--filters", FILTERS, "--expand-distance", "2 um"]


def invoke(*arguments):
    done = CliRunner().invoke(app, [str(argument) for argument in (*arguments, "--device", "cpu")])
    assert done.exit_code == 0, done.output
    return done


def planes():
    """Return three planes in which two bright spots drift."""
    y, x = np.indices((64, 80))

    def spot(row, column):
        return (4000 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 60)).astype(np.uint16)

    return np.stack([spot(20, 20 + k) + spot(44, 40 + k) for k in (0, 3, 6)])


def same_files(before, after, names):
    for name in names:
        assert (before / name).read_bytes() == (after / name).read_bytes(), name


def test_measures_filters_and_cells_come_again_byte_for_byte(tmp_path):
    tifffile.imwrite(tmp_path / "cells.ome.tif", planes()[0], photometric="minisblack", metadata={
        "axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 1.0,
        "PhysicalSizeYUnit": "µm",
    })  # fmt: skip
    out, again = tmp_path / "out", tmp_path / "again"
    invoke("segment", tmp_path / "cells.ome.tif", "--out", out, *ANYTHING, *WANTED)
    table = pd.read_csv(out / "cells.ome.table.csv")
    assert {"centroid_y_um", "perimeter_um", "intensity_std", "intensity_mean_ring", "area_cell"} <= {*table}
    assert len(table) and (table["area_cell"] > table["area"]).all()
    record = json.loads((out / "cells.ome.record.json").read_text())
    assert record["settings"]["filters"] == [["circularity", 0.3, None], ["intensity_max", 1000.0, None]]
    invoke("replay", out / "cells.ome.record.json", "--out", again)
    same_files(out, again, [f"cells.ome.{kind}" for kind in ("labels.tif", "cells.tif", "table.csv")])


def test_measures_of_linked_stacks_come_again_byte_for_byte(tmp_path):
    about = {"axes": "ZYX", "spacing": 2.0, "unit": "um"}
    tifffile.imwrite(tmp_path / "body.tif", planes(), imagej=True, resolution=(2, 1), metadata=about)
    out, again = tmp_path / "out", tmp_path / "again"
    invoke("segment", tmp_path / "body.tif", "--out", out, "--link", "z", *ANYTHING, *WANTED)
    invoke("replay", out / "body_linked.record.json", "--out", again)
    table = pd.read_csv(out / "body_linked.objects.csv")
    assert {"volume_um3", "surface_area_um2", "intensity_sum"} <= {*table} and len(table)
    same_files(out, again, [f"body_linked.{kind}" for kind in ("labels.tif", "cells.tif", "objects.csv")])
