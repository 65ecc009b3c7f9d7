"""Stacks from the command line: planes, projections, channels, and objects linked through planes."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from stack_kit import SHAPE, find_spots, invoke, message, spots

from napari_sam2_automask.cli.commands import main
from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.files.opening import open_file
from napari_sam2_automask.files.pixel_size import FileScale, pixel_size_of, scale_in_file
from napari_sam2_automask.files.stack_file import open_stack
from napari_sam2_automask.image.channels import mix
from napari_sam2_automask.image.pick import Pick, parse_planes
from napari_sam2_automask.measures import expand
from napari_sam2_automask.replay.replaying import replay


@pytest.fixture(autouse=True)
def engine(monkeypatch):
    """Replace the engine by one that finds every bright spot, in any colour; return what it was shown."""
    shown = []

    def propose(view, settings, model, **more):
        shown.append(view)
        return find_spots(view, settings, model, **more)

    monkeypatch.setattr("napari_sam2_automask.engine.propose", propose)
    return shown


@pytest.fixture
def moving(tmp_path):
    """Write two objects over four moments, one drifting; the second misses one moment."""
    planes = [spots((10, 10 + k), *([] if k == 2 else [(35, 50)])) for k in range(4)]
    path = tmp_path / "moving.ome.tif"
    tifffile.imwrite(path, np.stack(planes), ome=True, photometric="minisblack", metadata={"axes": "TYX"})
    return path


@pytest.fixture
def body(tmp_path):
    """Write one object over three of four sections, with voxel sizes, as ImageJ does."""
    planes = [spots(*([(20, 30)] if k < 3 else [])) for k in range(4)]
    path = tmp_path / "body.tif"
    metadata = {"axes": "ZYX", "spacing": 2.0, "unit": "um"}
    tifffile.imwrite(path, np.stack(planes), imagej=True, resolution=(4, 2), metadata=metadata)
    return path


def test_sections_become_objects_with_a_volume(body, tmp_path):
    done = invoke(body, "--out", tmp_path / "out", "--link", "z")
    assert done.exit_code == 0, done.output
    table = pd.read_csv(tmp_path / "out" / "body_linked.objects.csv")
    labels = tifffile.imread(tmp_path / "out" / "body_linked.labels.tif")
    assert table["planes"].tolist() == ["0-2"]
    assert labels.shape == (4, *SHAPE) and set(np.unique(labels)) == {0, 1}
    voxels = int((labels == 1).sum())
    assert table["voxels"].tolist() == [voxels]
    assert table["volume_um3"][0] == pytest.approx(voxels * 2.0 * 0.5 * 0.25)
    assert not (tmp_path / "out" / "body_linked.tracks.csv").exists()


def test_linked_labels_go_into_the_ome_zarr_of_their_stack(tmp_path):
    stack = np.stack([spots((20, 30)), spots((20, 31))])
    group = zarr.create_group(str(tmp_path / "a.zarr"))
    group.create_array("0", data=stack)
    axes = [{"name": name, "type": "space"} for name in "zyx"]
    datasets = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [2.0, 1.0, 1.0]}]}]
    group.attrs.put({"ome": {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}})
    wanted = ("--link", "z", "--also", "ome-zarr-labels")
    done = invoke(tmp_path / "a.zarr", "--out", tmp_path / "out", *wanted)
    assert done.exit_code == 0, done.output
    labels = tifffile.imread(tmp_path / "out" / "a_linked.labels.tif")
    inside = open_file(tmp_path / "a.zarr" / "labels" / "sam2_automask")[0]
    assert labels.max() == 1 and np.array_equal(inside[:], labels)
    found = message(tmp_path / "a.zarr", "--out", tmp_path / "new", *wanted)
    assert "is there already" in found
    assert not list(tmp_path.glob("new/*.tif"))  # said before the planes are segmented


def placed_stack(path, names, scale, place, unit):
    """Write an OME-Zarr of three planes with an object in each, which lies at a place of its own."""
    stack = np.stack([spots((20, 30))] * 3)
    group = zarr.create_group(str(path))
    datasets = []
    for level in range(2):
        group.create_array(str(level), data=stack[:, :: level + 1, :: level + 1])
        steps = [scale[0], *(side * (level + 1) for side in scale[1:])]
        told = [{"type": "scale", "scale": steps}, {"type": "translation", "translation": place}]
        datasets.append({"path": str(level), "coordinateTransformations": told})
    axes = [{"name": name, "type": "time" if name == "t" else "space", **unit(name)} for name in names]
    group.attrs.put({"ome": {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}})
    return path


@pytest.mark.parametrize(
    ("names", "more", "wanted"),
    [
        ("zyx", ("--link", "z", "--planes", "1:3"), FileScale((2.0, 0.5, 0.25), "um", (9.0, 30.0, -4.0))),
        ("zyx", ("--plane", "1", "--level", "1"), FileScale((None, 1.0, 0.5), "um", (0.0, 30.0, -4.0))),
        ("tyx", ("--link", "time", "--planes", "1:3"),
         FileScale((None, 0.5, 0.25), "um", (0.0, 30.0, -4.0), 120.0, 540.0, "second")),
        ("zyx", ("--link", "z", "--spacing", 4, 1, 2, "--unit", "nm"),
         FileScale((4.0, 1.0, 2.0), "nm", (7000.0, 30000.0, -4000.0))),
    ],
)  # fmt: skip
def test_zipped_labels_lie_where_their_image_lies(tmp_path, names, more, wanted):
    path = placed_stack(
        tmp_path / "a.zarr",
        names,
        [2.0, 0.5, 0.25],
        [7.0, 30.0, -4.0],
        lambda name: {"unit": "minute" if name == "t" else "micrometer"},
    )
    done = invoke(path, "--out", tmp_path / "o", *more, "--also", "ozx")
    assert done.exit_code == 0, done.output
    (made,) = [one for one in (tmp_path / "o").glob("*.ozx") if ("_linked" in one.name) == ("--link" in more)]
    assert scale_in_file(made) == wanted


def test_zipped_labels_of_a_stack_without_a_unit_lie_where_it_lies(tmp_path):
    path = placed_stack(tmp_path / "a.zarr", "zyx", [2.0, 0.5, 0.25], [7.0, 30.0, -4.0], lambda _: {})
    assert invoke(path, "--out", tmp_path / "o", "--link", "z", "--also", "ozx").exit_code == 0
    assert scale_in_file(tmp_path / "o" / "a_linked.labels.ozx") == scale_in_file(path)


def test_bodies_and_tracks_are_measured(body, moving, tmp_path):
    wanted = ("--measures", "volume, surface_area, extent, perimeter, intensity_min")
    done = invoke(body, "--out", tmp_path / "o", "--link", "z", *wanted)
    assert done.exit_code == 0, done.output
    (row,) = pd.read_csv(tmp_path / "o" / "body_linked.objects.csv").to_dict("records")
    assert row["volume"] == row["voxels"] and row["volume_um3"] == pytest.approx(row["voxels"] * 0.25)
    assert 0 < row["extent"] <= 1 and row["surface_area_um2"] > 0 and "perimeter" not in row
    image, labels = (tifffile.imread(path) for path in (body, tmp_path / "o" / "body_linked.labels.tif"))
    assert row["intensity_min"] == image[labels == 1].min()
    done = invoke(moving, "--out", tmp_path / "o", "--link", "time", *wanted)
    assert done.exit_code == 0, done.output
    tracks = pd.read_csv(tmp_path / "o" / "moving.ome_linked.tracks.csv")
    assert "volume" not in tracks
    for k, job in enumerate(("plane0", "plane1")):
        frame = pd.read_csv(tmp_path / "o" / f"moving.ome_{job}.table.csv").sort_values("point_x")
        own = tracks[tracks["t"] == k].sort_values("x")
        for name in ("perimeter", "extent", "intensity_min"):
            assert own[name].tolist() == frame[name].tolist()


@pytest.mark.parametrize(("link", "kind"), [("z", "objects"), ("time", "tracks")])
def test_linked_objects_are_grown_to_cells_in_each_plane(body, moving, tmp_path, link, kind):
    source = body if link == "z" else moving
    stem = f"{source.stem}_linked"
    done = invoke(source, "--out", tmp_path / "o", "--link", link, "--expand-distance", 2)
    assert done.exit_code == 0, done.output
    image = tifffile.imread(source).astype(float)
    labels, cells = (tifffile.imread(tmp_path / "o" / f"{stem}.{name}.tif") for name in ("labels", "cells"))
    sides = (0.5, 0.25) if link == "z" else None
    for plane, grown in zip(labels, cells, strict=True):
        np.testing.assert_array_equal(grown, expand(plane, 2, sides))
    rows = pd.read_csv(tmp_path / "o" / f"{stem}.{kind}.csv").to_dict("records")
    assert len(rows) == (1 if link == "z" else 7)
    for row in rows:
        number, at = (row["index"], ...) if link == "z" else (row["object"], row["t"])
        cell, nucleus = cells[at] == number, labels[at] == number
        size = "voxels" if link == "z" else "area"
        assert row[f"{size}_cell"] == cell.sum() and row[f"{size}_ring"] == cell.sum() - nucleus.sum() > 0
        for name, own in (("", nucleus), ("_ring", cell & ~nucleus), ("_cell", cell)):
            assert row[f"intensity_mean{name}"] == pytest.approx(image[at][own].mean())
        if link == "z":
            assert row["volume_cell_um3"] == pytest.approx(cell.sum() * 2.0 * 0.5 * 0.25)
    done = invoke(source, "--out", tmp_path / "o", "--link", link, "--overwrite")
    assert done.exit_code == 0 and not (tmp_path / "o" / f"{stem}.cells.tif").exists()


def test_the_size_of_a_voxel_can_be_said(body, tmp_path):
    invoke(body, "--out", tmp_path / "o", "--link", "z", "--spacing", 3, 2, 1, "--unit", "nm")
    table = pd.read_csv(tmp_path / "o" / "body_linked.objects.csv")
    assert table["volume_um3"][0] == pytest.approx(6e-9 * table["voxels"][0])


def test_moments_become_tracks(moving, tmp_path):
    done = invoke(moving, "--out", tmp_path / "out", "--link", "time")
    assert done.exit_code == 0, done.output
    tracks = pd.read_csv(tmp_path / "out" / "moving.ome_linked.tracks.csv")
    first = tracks[tracks["track"] == 1]
    assert first["t"].tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(first["x"], [10, 11, 12, 13], atol=0.5)
    assert tracks[tracks["track"] == 2]["t"].tolist() == [0, 1, 3]
    record = json.loads((tmp_path / "out" / "moving.ome_linked.record.json").read_text())
    assert record["link"]["along"] == "time" and len(record["planes"]) == 4 and record["objects"] == 2
    with tifffile.TiffFile(tmp_path / "out" / "moving.ome_linked.labels.tif") as tiff:
        assert tiff.series[0].axes == "TYX"


def test_files_of_others_that_are_called_like_linked_results_stay(moving, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    notes = out / "moving.ome_linked.tracks.csv"
    notes.write_text("drawn by hand")
    told = message(moving, "--out", out, "--link", "time")
    assert f"{notes.name} is no result of this package: move it, use --overwrite or another --out" in told
    assert notes.read_text() == "drawn by hand" and not list(out.glob("*_linked.labels.tif"))
    assert invoke(moving, "--out", out, "--link", "time", "--overwrite").exit_code == 0
    assert notes.read_text().startswith("track,")
    (next(iter(out.glob("*_linked.labels.tif")))).unlink()
    assert invoke(moving, "--out", out, "--link", "time").exit_code == 0  # those of a run are done again


def test_what_is_done_is_not_done_again(moving, tmp_path, engine):
    arguments = [moving, "--out", tmp_path / "out", "--link", "time"]
    invoke(*arguments)
    (tmp_path / "out" / "moving.ome_plane1.labels.tif").unlink()
    (tmp_path / "out" / "moving.ome_linked.labels.tif").unlink()
    engine.clear()
    again = invoke(*arguments)
    assert "2 done, 3 skipped, 0 failed" in again.output and len(engine) == 1
    assert "0 done, 5 skipped, 0 failed" in invoke(*arguments).output
    other = message(moving, "--out", tmp_path / "out", "--link", "time", "--planes", "1:3")
    assert "of other planes" in other and "--overwrite" in other


@pytest.mark.parametrize(("planes", "numbers"), [("all", [0, 1, 2, 3]), ("1:3", [1, 2]), ("2:", [2, 3])])
def test_planes_are_chosen(moving, tmp_path, planes, numbers):
    done = invoke(moving, "--out", tmp_path / "out", "--planes", planes)
    names = sorted(path.name for path in (tmp_path / "out").glob("*.labels.tif"))
    assert names == [f"moving.ome_plane{k}.labels.tif" for k in numbers], done.output
    assert f"plane {numbers[0]}: {1 if numbers[0] == 2 else 2} objects" in done.output


def test_planes_are_projected(body, tmp_path, engine):
    done = invoke(body, "--out", tmp_path / "out", "--project", "max", "--contrast-limits", 0, 200)
    assert "body.tif (maximum over z): 1 objects" in done.output
    expected = tifffile.imread(body).max(0)
    np.testing.assert_array_equal(engine[0][..., 0] > 100, expected > 100)
    assert (tmp_path / "out" / "body_max.labels.tif").exists()
    mean = open_stack(body).read(Pick(project="mean")).array
    np.testing.assert_allclose(mean, tifffile.imread(body).mean(0), rtol=1e-6)


def test_time_is_projected_where_it_is_named(moving, tmp_path, engine):
    out = ["--out", tmp_path / "out"]
    done = invoke(moving, *out, "--project", "max", "--over", "t", "--contrast-limits", 0, 200)
    assert "moving.ome.tif (maximum over time): 2 objects" in done.output, done.output
    np.testing.assert_array_equal(engine[0][..., 0] > 100, tifffile.imread(moving).max(0) > 100)
    record = json.loads((tmp_path / "out" / "moving.ome_maxT.record.json").read_text())
    assert record["pick"]["over"] == "T"
    assert replay(tmp_path / "out" / "moving.ome_maxT.record.json", tmp_path / "again").same is True
    engine.clear()
    # Of one section each, as many as there are moments.
    invoke(moving, *out, "--project", "max", "--planes", "all")
    for k, seen in enumerate(engine):
        np.testing.assert_array_equal(seen[..., 0] > 100, tifffile.imread(moving)[k] > 100)
    assert len(engine) == 4
    assert "holds 4 planes" in message(moving, "--out", tmp_path / "no", "--project", "max")
    assert "no axis P to project" in message(moving, *out, "--project", "max", "--over", "P")
    assert "--over is 'x': give the letter" in message(moving, *out, "--project", "max", "--over", "x")
    assert "give --project" in message(moving, *out, "--over", "T")


def test_results_of_before_say_what_they_projected_by_what_was_known_then(moving, tmp_path, engine):
    """Without a section of its own time was projected: such a record is replayed and is no other result."""
    out = ["--out", tmp_path / "out"]
    invoke(moving, *out, "--project", "max", "--over", "t")
    old = tmp_path / "old"
    (tmp_path / "out").rename(old)
    for file in list(old.iterdir()):
        file.rename(old / file.name.replace("_maxT", "_max"))
    record = old / "moving.ome_max.record.json"
    said = json.loads(record.read_text())
    del said["pick"]["over"]
    record.write_text(json.dumps(said))
    assert replay(record, tmp_path / "again").same is True
    sections = tmp_path / "sections.ome.tif"
    tifffile.imwrite(
        sections, tifffile.imread(moving), ome=True, photometric="minisblack", metadata={"axes": "ZYX"}
    )
    invoke(sections, "--out", old, "--project", "max")
    record = old / "sections.ome_max.record.json"
    said = json.loads(record.read_text())
    assert said["pick"].pop("over") == "Z"
    record.write_text(json.dumps(said))
    assert "0 done, 1 skipped" in invoke(sections, "--out", old, "--project", "max").output


def test_a_projection_leaves_time(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (2, 3, *SHAPE)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, imagej=True, metadata={"axes": "TZYX"})
    stack = open_stack(tmp_path / "a.tif")
    assert stack.plane_axes(Pick(project="max")) == "CT"
    np.testing.assert_array_equal(stack.read(Pick(plane=1, project="max")).array, pixels[1].max(0))
    assert "--link z needs one axis" in message(tmp_path / "a.tif", "--out", tmp_path / "o", "--link", "z")
    done = invoke(tmp_path / "a.tif", "--out", tmp_path / "o", "--link", "time", "--project", "max")
    assert done.exit_code == 0, done.output


@pytest.fixture
def channels(tmp_path):
    path = tmp_path / "two.tif"
    pixels = np.stack([spots((12, 12)), spots((30, 50), height=90)])
    tifffile.imwrite(path, pixels, imagej=True, metadata={"axes": "CYX"})
    return path


def test_channels_one_mixed_or_pooled(channels, tmp_path, engine):
    for channel, objects in (("1", 1), ("mix", 2), ("pool", 2)):
        engine.clear()
        done = invoke(channels, "--out", tmp_path / "out", "--channel", channel)
        assert f": {objects} objects" in done.output
        assert len(engine) == (2 if channel == "pool" else 1)
    table = pd.read_csv(tmp_path / "out" / "two_pool.table.csv")
    assert sorted(table["mean_intensity_c0"].round()) == [0, 200]
    assert sorted(table["mean_intensity_c1"].round()) == [0, 90]
    assert (tmp_path / "out" / "two_c1.labels.tif").exists()
    assert "choose from 0 to 1" in message(channels, "--out", tmp_path / "out", "--channel", "2")
    assert "number from 0, mix or pool" in message(channels, "--out", tmp_path / "out", "--channel", "red")


def test_two_channels_are_mixed_in_magenta_and_green():
    first, second = spots((10, 10)), spots((10, 10), (30, 30))
    mixed = mix([first, second], (0, 200))
    assert mixed[10, 10].tolist() == [255, 255, 255]
    assert mixed[30, 30].tolist() == [0, 255, 0]
    assert mixed[0, 0].tolist() == [0, 0, 0]
    np.testing.assert_array_equal(mix([first], (0, 200))[..., 1], mix([first, second], (0, 200))[..., 0])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--link", "time"], "not time alone"),
        (["--axes", "PZYX"], "do not fit"),
        (["--axes", "YXZ", "--plane", "64"], "there is no plane 64"),
        (["--channel", "0", "--axes", "ZYX"], "has no channels"),
        (["--channel", "0"], "holds 4 planes"),
        (["--axes", "TZYX"], "holds 4 planes"),
        (["--planes", "2:9"], "not within the 4 planes"),
        (["--planes", "some"], "A:B"),
        (["--planes", "all", "--plane", "1"], "exclude each other"),
        (["--plane", "1", "--link", "z"], "several planes"),
        (["--spacing", "1", "1", "1", "--unit", "furlong"], "unknown unit 'furlong'"),
        (["--spacing", "0", "1", "1", "--planes", "all"], "--spacing must be 1e-60 to"),
        (["--axes", "ZYX"], "holds 4 planes"),
    ],
)
def test_what_does_not_fit_is_said_and_nothing_is_written(body, tmp_path, options, words):
    assert words in message(body, "--out", tmp_path / "out", *options)
    assert not (tmp_path / "out").exists()


def test_axes_can_be_said(tmp_path, engine):
    pixels = np.stack([spots((10, 10)), spots((30, 40))])
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack")
    assert (
        invoke(tmp_path / "a.tif", "--out", tmp_path / "o", "--axes", "TYX", "--link", "time").exit_code == 0
    )
    np.save(tmp_path / "b.npy", np.moveaxis(pixels, 0, 2))
    done = invoke(tmp_path / "b.npy", "--out", tmp_path / "o", "--axes", "YXZ", "--plane", 1)
    assert done.exit_code == 0, done.output
    np.testing.assert_array_equal(engine[-1][..., 0] > 0, pixels[1] > 0)


def test_one_contrast_for_a_stack(tmp_path, engine):
    pixels = np.stack([spots((10, 10), height=40), spots((10, 10), height=200)])
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack")
    invoke(tmp_path / "a.tif", "--out", tmp_path / "o", "--planes", "all")
    assert [view.max() for view in engine] == [255, 255]
    engine.clear()
    invoke(tmp_path / "a.tif", "--out", tmp_path / "p", "--planes", "all", "--contrast", "stack")
    assert [view.max() for view in engine] == [51, 255]


def test_a_linked_stack_is_replayed(moving, tmp_path):
    invoke(moving, "--out", tmp_path / "out", "--link", "time", "--planes", "1:")
    done = replay(tmp_path / "out" / "moving.ome_linked.record.json", tmp_path / "again")
    assert done.same is True and done.objects == 2
    for name in ("labels.tif", "objects.csv", "tracks.csv"):
        before, after = (tmp_path / f / f"moving.ome_linked.{name}" for f in ("out", "again"))
        assert after.read_bytes() == before.read_bytes()


@pytest.fixture
def plate(tmp_path):
    """Write two positions of three moments: an object at the same place of both, drifting."""
    pixels = np.stack([np.stack([spots((10 + 8 * p, 10 + k)) for k in range(3)]) for p in range(2)])
    np.save(tmp_path / "plate.npy", pixels)
    return tmp_path / "plate.npy"


def test_positions_are_stacks_of_their_own(plate, tmp_path):
    done = invoke(plate, "--out", tmp_path / "out", "--axes", "PTYX", "--link", "time")
    assert done.exit_code == 0, done.output
    assert "8 done, 0 skipped, 0 failed" in done.output
    for p in range(2):
        labels = tifffile.imread(tmp_path / "out" / f"plate_pos{p}_linked.labels.tif")
        assert labels.shape == (3, *SHAPE) and set(np.unique(labels)) == {0, 1}
        for k, plane in enumerate(labels):
            np.testing.assert_allclose(np.argwhere(plane).mean(0), (10 + 8 * p, 10 + k), atol=0.5)
        again = replay(tmp_path / "out" / f"plate_pos{p}_linked.record.json", tmp_path / "again")
        assert again.same is True
    # An axis of positions alone is nothing to link, and is never projected.
    flat = tmp_path / "flat.npy"
    np.save(flat, np.load(plate)[:, 0])
    for link in ("z", "time"):
        assert "needs one axis" in message(flat, "--out", tmp_path / "o", "--axes", "PYX", "--link", link)
    assert "to project" in message(flat, "--out", tmp_path / "o", "--axes", "PYX", "--project", "max")
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("kind", ["ome", "imagej"])
def test_stacks_of_one_plane_are_linked(tmp_path, kind):
    path = tmp_path / "one.tif"
    tifffile.imwrite(path, spots((20, 30)), metadata={"axes": "YX"}, **{kind: True})
    for link in ("z", "time"):
        out = tmp_path / link
        done = invoke(path, "--out", out, "--link", link, "--project", "max", "--channel", "0") if (
            link == "time"
        ) else invoke(path, "--out", out, "--link", link, "--channel", "0")  # fmt: skip
        assert done.exit_code == 0, done.output
        (labels,) = out.glob("*_linked.labels.tif")
        found = tifffile.imread(labels, squeeze=False).reshape(SHAPE)
        assert set(np.unique(found)) == {0, 1}
        (record,) = out.glob("*_linked.record.json")
        assert replay(record, tmp_path / f"again_{link}").same is True
    flat = tmp_path / "flat.tif"
    tifffile.imwrite(flat, spots((20, 30)))
    assert "needs one axis" in message(flat, "--out", tmp_path / "o", "--link", "z")


def test_a_pooled_projection_is_replayed(channels, tmp_path):
    invoke(channels, "--out", tmp_path / "out", "--channel", "pool")
    assert replay(tmp_path / "out" / "two_pool.record.json", tmp_path / "again").same is True


@pytest.mark.parametrize(
    ("text", "found"), [("all", [0, 1, 2]), (":2", [0, 1]), ("1:3", [1, 2]), (":", [0, 1, 2])]
)
def test_ranges_of_planes(text, found):
    assert parse_planes(text, 3) == found
    with pytest.raises(SettingsError, match="not within"):
        parse_planes("3:", 3)


def test_pixel_sizes_of_files(tmp_path):
    pixels = np.zeros((3, 8, 8), np.uint8)
    sizes = {"PhysicalSizeX": 0.1, "PhysicalSizeY": 0.2, "PhysicalSizeZ": 0.5}
    sizes |= {f"PhysicalSize{axis}Unit": "nm" for axis in "XYZ"}
    tifffile.imwrite(tmp_path / "o.ome.tif", pixels, ome=True, metadata={"axes": "ZYX", **sizes})
    assert pixel_size_of(tmp_path / "o.ome.tif") == (0.5, 0.2, 0.1, "nm")
    tifffile.imwrite(
        tmp_path / "i.tif", pixels, imagej=True, resolution=(10, 5), metadata={"unit": "\\u00B5m"}
    )
    assert pixel_size_of(tmp_path / "i.tif") == (None, 0.2, 0.1, "um")
    tifffile.imwrite(tmp_path / "n.tif", pixels, imagej=True, resolution=(10, 5))
    assert pixel_size_of(tmp_path / "n.tif") is None
    tifffile.imwrite(tmp_path / "u.tif", pixels, imagej=True, resolution=(10, 5), metadata={"unit": "cubit"})
    assert pixel_size_of(tmp_path / "u.tif") is None


def test_a_summary_of_all_images(moving, body, tmp_path):
    (tmp_path / "bad.tif").write_text("hello")
    done = invoke(moving, body, tmp_path / "bad.tif", "--out", tmp_path / "o", "--planes", ":2",
                  "--summary", tmp_path / "deep" / "summary.csv")  # fmt: skip
    assert done.exit_code == 1
    table = pd.read_csv(tmp_path / "deep" / "summary.csv")
    assert table["status"].tolist() == ["done"] * 4 + ["failed"]
    assert table["plane"].tolist()[:4] == [0, 1, 0, 1]
    assert table["objects"].tolist() == [2, 2, 1, 1, 0]
    assert table["image"].tolist()[4].endswith("bad.tif") and "bad.tif" in table["message"].tolist()[4]


def test_what_is_unlike_the_model_s_images_is_told(tmp_path, monkeypatch):
    def propose(view, settings, model, **more):
        # Of the second image the cells name centres far apart.
        apart = 0.05 if view[0, 0, 0] else 6.0
        return replace(find_spots(view, settings, model, **more), disagreement=apart)

    monkeypatch.setattr("napari_sam2_automask.engine.propose", propose)
    for name, corner in (("known", 40), ("strange", 0)):
        image = spots((10, 10), (35, 50))
        image[0, 0] = corner
        tifffile.imwrite(tmp_path / f"{name}.tif", image)
    done = invoke(tmp_path / "known.tif", tmp_path / "strange.tif", "--out", tmp_path / "o",
                  "--summary", tmp_path / "o" / "all.csv")  # fmt: skip
    told = [line for line in done.output.splitlines() if "unlike what" in line]
    assert len(told) == 2 and "strange.tif: 2 objects" in told[0]
    assert told[1].startswith("1 image is unlike what the model knows: look closely")
    table = pd.read_csv(tmp_path / "o" / "all.csv", keep_default_na=False)
    assert table["message"].tolist() == ["", "unlike what the model knows"]
    records = [json.loads((tmp_path / "o" / f"{n}.record.json").read_text()) for n in ("known", "strange")]
    assert [record.get("unfamiliar") for record in records] == [None, True]
    assert [record["disagreement"] for record in records] == [0.05, 6.0]


def test_the_error_is_one_line(body, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["sam2-automask", "segment", str(body), "--out", str(tmp_path / "o"),
                                     "--channel", "red"])  # fmt: skip
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
