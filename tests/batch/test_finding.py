"""What of a folder is an image: by its name and first bytes, none of our own, and nothing ends the list."""

from __future__ import annotations

import json
import os
import re
import shutil

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image
from places import ROOT
from stack_kit import find_spots, invoke, spots

from napari_sam2_automask.batch.finding import find_images
from napari_sam2_automask.disk.atomic import write_all
from napari_sam2_automask.evaluation import demo
from napari_sam2_automask.files.kinds import KINDS, SUFFIXES, stem_of
from napari_sam2_automask.files.own_results import is_own_result, save_sheet
from napari_sam2_automask.image.view import image_hash
from napari_sam2_automask.record.making import make_record
from napari_sam2_automask.settings.presets import PRESETS, resolve_settings

GRAY = np.arange(64, dtype=np.uint8).reshape(8, 8)
SCALE = [{"type": "scale", "scale": [1, 1]}]
MULTISCALES = [
    {
        "axes": [{"name": name, "type": "space"} for name in "yx"],
        "datasets": [{"path": "0", "coordinateTransformations": SCALE}],
    }
]


@pytest.fixture
def spotted(monkeypatch):
    monkeypatch.setattr("napari_sam2_automask.engine.propose", find_spots)


def write_zarr(path, ome=None, **attributes):
    group = zarr.open_group(path, mode="w", zarr_format=3)
    group["0"] = spots((20, 20))
    group.attrs.update({"ome": {"version": "0.5", "multiscales": MULTISCALES, **(ome or {})}, **attributes})
    return path


def found_in(folder):
    left_out = []
    images, useless = find_images([folder], left_out.append)
    return [path.name for path in images], {path.name: why for path, why in useless.items()}, left_out


def test_every_suffix_is_looked_at_and_no_other(tmp_path):
    for suffix in SUFFIXES:
        if suffix != ".zarr":
            tifffile.imwrite(tmp_path / f"a{suffix}", GRAY)
    write_zarr(tmp_path / "a.ome.ZARR")
    (tmp_path / "folder.tif").mkdir()
    for other in ("notes.txt", "table.csv", "a.json", ".hidden.tif", "._a.tif", "tif", "a.tif.bak"):
        (tmp_path / other).write_bytes(b"II*\0")
    images, useless, left_out = found_in(tmp_path)
    assert sorted(images) == sorted([f"a{s}" for s in SUFFIXES if s != ".zarr"] + ["a.ome.ZARR"])
    assert not useless and not left_out


def test_the_docs_tell_the_same_suffixes():
    text = (ROOT / "docs" / "command_line.md").read_text()
    told = re.search("<!-- suffixes -->(.*?)<!--", text).group(1)
    assert told == " ".join(f"`{suffix}`" for suffix in SUFFIXES)
    assert KINDS.replace(".npy", "`.npy`") in text


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a.ome.tif", "a"),
        ("b.OME.ZARR", "b"),
        ("c.x.btf", "c.x"),
        ("d.svs", "d"),
        ("e", "e"),
        ("f.txt", "f.txt"),
    ],
)
def test_the_stem_of_an_image(tmp_path, name, stem):
    assert stem_of(tmp_path / name) == stem


def test_results_are_left_out_whatever_their_name_and_said(tmp_path, spotted):
    tifffile.imwrite(tmp_path / "cells.tif", spots((20, 20)))
    first = invoke(tmp_path, "--out", tmp_path, "--overlap", "all_levels")
    assert first.exit_code == 0 and "left out" not in first.output
    (tmp_path / "cells.levels.tif").rename(tmp_path / "first.tif")  # known by what the TIFF says of itself
    shutil.copy(tmp_path / "cells.labels.tif", tmp_path / "second.tiff")
    page = Image.fromarray(GRAY)
    with (tmp_path / "renamed.png").open("wb") as file:
        save_sheet(file, page)
    page.save(tmp_path / "cells.points_per_side.png")
    (tmp_path / "cells.points_per_side.csv").write_text("value\n")
    page.save(tmp_path / "cells.outlines.png")
    write_zarr(tmp_path / "out.zarr", {"image-label": {"version": "0.5"}})
    write_zarr(tmp_path / "other.zarr", sam2_automask={})
    (tmp_path / "out.zarr.run").mkdir()
    images, useless, left_out = found_in(tmp_path)
    assert images == ["cells.tif"] and not useless
    assert [path.name for path in left_out] == [
        "cells.labels.tif", "cells.outlines.png", "cells.points_per_side.png", "first.tif", "other.zarr",
        "out.zarr", "renamed.png", "second.tiff",
    ]  # fmt: skip
    again = invoke(tmp_path, "--out", tmp_path, "--overlap", "all_levels")
    assert again.output.startswith("8 results of earlier runs were left out\n")
    assert again.output.rstrip().endswith("\n0 done, 1 skipped, 0 failed")
    # Named, it is taken.
    assert find_images([tmp_path / "second.tiff"]) == ([tmp_path / "second.tiff"], {})


def test_pictures_of_others_are_no_results(tmp_path):
    page = Image.fromarray(GRAY)
    for name in ("cells.points_per_side.png", "cells.outlines.png", "cells.overlay.png"):
        page.save(tmp_path / name)
    (tmp_path / "cells.overlay.csv").write_text("a\n")
    tifffile.imwrite(tmp_path / "masks.tif", GRAY.astype(np.uint16))
    write_zarr(tmp_path / "image.zarr")
    assert len(found_in(tmp_path)[0]) == 5


def test_labels_saved_by_hand_are_known_by_the_record_beside_them(tmp_path):
    labels = (GRAY > 30).astype(np.uint16)
    tifffile.imwrite(tmp_path / "mine.tif", labels)
    said = make_record(resolve_settings(PRESETS["fine"], "sam2")[0], image=GRAY, image_name="cells.tif")
    for digest, own in ((image_hash(labels), True), (image_hash(GRAY), False)):
        (tmp_path / "mine.record.json").write_text(json.dumps(said | {"labels_sha256": digest}))
        assert is_own_result(tmp_path / "mine.tif") is own


def test_sheets_of_the_demo_are_marked(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "write_results", lambda result, paths, name, more: write_all(more))
    monkeypatch.setattr(demo, "compare_with_truth", lambda *args: Image.fromarray(GRAY))
    sample = demo.samples()[0]
    labels = np.zeros(sample.truth().shape, np.uint16)
    result = demo.DemoResult(
        sample, sample.image(), sample.truth(), "fine", type("Done", (), {"labels": labels})(), 0.5, 1.0
    )
    demo.write_demo_result(result, tmp_path)
    (path,) = tmp_path.iterdir()
    assert is_own_result(path.rename(tmp_path / "x.png"))


def test_every_bad_entry_is_a_line_and_the_rest_is_found(tmp_path):
    tifffile.imwrite(tmp_path / "good.tif", GRAY)
    (tmp_path / "gone.tif").symlink_to(tmp_path / "nowhere.tif")
    (tmp_path / "round.tif").symlink_to(tmp_path / "round.tif")
    (tmp_path / "table.zarr").mkdir()
    os.mkfifo(tmp_path / "pipe.tif")
    zarr.open_group(tmp_path / "anndata.zarr", mode="w", zarr_format=2).create_group("obs")
    for name, text in (("broken.zarr", "{"), ("list.zarr", "[1]"), ("deep.zarr", "[" * 100_000)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "zarr.json").write_text(text)
    write_zarr(tmp_path / "image.zarr")
    images, useless, _ = found_in(tmp_path)
    assert images == ["good.tif", "image.zarr"]
    assert set(useless) == {
        "gone.tif", "round.tif", "table.zarr", "pipe.tif", "anndata.zarr", "broken.zarr", "list.zarr",
        "deep.zarr",
    }  # fmt: skip
    for name, why in useless.items():
        assert name in why and "\n" not in why and ": " in why


def test_names_that_no_file_can_have(tmp_path):
    tifffile.imwrite(tmp_path / "good.tif", GRAY)
    bad = [tmp_path / ("x" * 300 + ".tif"), tmp_path / "a\0b.tif"]
    images, useless = find_images([*bad, tmp_path])
    assert images == [tmp_path / "good.tif"] and list(useless) == bad
    assert all("\0" not in why for why in useless.values())


@pytest.mark.parametrize("name", ["n" * 5000, "a/" * 3000, "a\0b"])
def test_what_no_file_can_be_called_is_no_result(tmp_path, name):
    assert not is_own_result(tmp_path / name)


def test_wells_that_were_not_copied_do_not_stop_a_plate(tmp_path, spotted):
    path = tmp_path / "plate.zarr"
    plate = zarr.open_group(path, mode="w", zarr_format=3)
    wells = [{"path": f"A/{k}", "rowIndex": 0, "columnIndex": k} for k in range(4)]
    # Entries that are damaged, or lead elsewhere.
    wells += [{"path": "."}, {"rowIndex": 1}, {"path": "../plate.zarr/A/0"}, None]
    plate.attrs["ome"] = {"version": "0.5", "plate": {"wells": wells}}
    for k in (0, 1):
        well = plate.create_group(f"A/{k}")
        well.attrs["ome"] = {"version": "0.5", "well": {"images": [{"path": "0"}, {}][: 2 - k]}}
        if k == 0:
            write_zarr(path / "A/0/0")
    (path / "A/3").mkdir(parents=True)
    (path / "A/3/zarr.json").write_text("{")
    done = invoke(path, "--out", tmp_path / "out")
    assert "1 done, 0 skipped, 8 failed" in done.output
    lines = [line for line in done.output.splitlines() if line.startswith("error: ")]
    expected = ["A/0/images[1]", "A/1/0", "A/2", "A/3", "plate.zarr ", "wells[5]", "wells[6]", "wells[7]"]
    assert [next(w for w in expected if w in line) for line in lines] == expected
