"""Large images from the command line: done, gone on with, refused, reported."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import zarr
from filelock import FileLock
from large_images import cells, segment_tile
from typer.testing import CliRunner

from napari_sam2_automask.cli.commands import app
from napari_sam2_automask.errors import AutomaskError
from napari_sam2_automask.image.view import to_model_view
from napari_sam2_automask.large import tile_segmenter
from napari_sam2_automask.large.output.omezarr import open_levels, read_attributes
from napari_sam2_automask.large.output.run_folder import run_folder
from napari_sam2_automask.large.source import sampling
from napari_sam2_automask.large.source.source import FileSource

# The estimate itself, which other tests do without.
ESTIMATE = sampling.diameter_of
SIZES = ["--tile", 128, "--tile-overlap", 32, "--device", "cpu", "--threads", 1]


def invoke(*arguments, command="large"):
    return CliRunner().invoke(app, [command, *map(str, arguments)])


def message(*arguments, command="large"):
    done = invoke(*arguments, command=command)
    assert done.exit_code == 1
    assert isinstance(done.exception, AutomaskError), done.output
    return str(done.exception)


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    """Replace the model's work on a tile by a threshold; tiles that hold 255 fail."""
    done = []

    def load(self):
        def segment(pixels, place):
            done.append(pixels.shape)
            if pixels.max() == 255:
                raise ValueError("this tile cannot be segmented")
            return segment_tile(pixels)

        return segment

    monkeypatch.setattr(tile_segmenter.ModelSegmenter, "load", load)
    monkeypatch.setattr(sampling, "diameter_of", lambda *_, **__: 20.0)
    return done


@pytest.fixture
def image(tmp_path):
    pixels = np.minimum(cells((200, 300), seed=1, large=0)[0], 250)
    np.save(tmp_path / "image.npy", pixels)
    return tmp_path / "image.npy"


def test_labels_table_and_a_second_command(image, tmp_path, cheap):
    out = tmp_path / "labels.zarr"
    done = invoke(image, "--out", out, *SIZES, "--spacing", 1, 0.5, 0.25, "--unit", "µm")
    assert done.exit_code == 0, done.output
    table = pd.read_csv(tmp_path / "labels.objects.csv")
    assert f"{len(table)} objects" in done.output and len(table) > 10
    levels, _ = open_levels(out)
    labels = np.asarray(levels[0] if isinstance(levels, list) else levels)
    assert set(np.unique(labels)) - {0} == set(table["index"])
    np.testing.assert_allclose(table["area_um2"], table["area"] * 0.125)
    assert read_attributes(out)["ome"]["multiscales"][0]["axes"][0]["unit"] == "micrometer"
    tiles = len(cheap)
    again = invoke(image, "--out", out, *SIZES, "--spacing", 1, 0.5, 0.25, "--unit", "um")
    assert again.exit_code == 0 and len(cheap) == tiles
    assert "holds the result of another run" in message(image, "--out", out, *SIZES, "--pred-iou-thresh", 0.9)


def test_what_is_unlike_the_model_s_images_is_told_from_all_tiles_together(image, tmp_path, monkeypatch):
    def load(self):
        def segment(pixels, place):
            # The first tile has few neighbours that name one centre, the others many that name two.
            near, far = (1, 0) if place.outer[:2] == (0, 0) else (0, 9)
            return *segment_tile(pixels), np.repeat([near, 0, far, 0], 128)

        return segment

    monkeypatch.setattr(tile_segmenter.ModelSegmenter, "load", load)
    out = tmp_path / "labels.zarr"
    # A threshold of its own: what is loaded is kept as long as the settings are the same.
    for _ in ("at work", "finished before"):
        done = invoke(image, "--out", out, *SIZES, "--pred-iou-thresh", 0.31)
        assert done.exit_code == 0
        assert "the image is unlike what the model knows: look closely" in done.stdout
    record = read_attributes(out)["sam2_automask"]
    # Of 128 near pairs and 9 * 128 far ones for each further tile the median is a far one's.
    assert record["unfamiliar"] is True and 4 < record["disagreement"] < 6
    told = CliRunner().invoke(app, ["runs", "status", str(out)])
    assert told.stdout.strip() == f"finished ({record['objects']} objects, unlike what the model knows)"


def test_all_tiles_are_asked_for_one_size_of_objects(image, tmp_path):
    invoke(image, "--out", tmp_path / "labels.zarr", *SIZES)
    used = read_attributes(tmp_path / "labels.zarr")["sam2_automask"]["identity"]["segmenter"]["settings"]
    assert used["object_diameter"] == 20.0 and used["fit_objects"]
    invoke(image, "--out", tmp_path / "own.zarr", *SIZES, "--object-diameter", 33)
    used = read_attributes(tmp_path / "own.zarr")["sam2_automask"]["identity"]["segmenter"]["settings"]
    assert used["object_diameter"] == 33.0


def test_the_size_is_estimated_from_some_tiles(image, monkeypatch):
    views = []

    def estimate(view, model):
        views.append(view.shape)
        return [0.0, 12.0, 14.0, 30.0, 0.0][len(views) - 1]

    monkeypatch.setattr("napari_sam2_automask.engine.estimate_diameter", estimate)
    source = FileSource(str(image))
    how = {"model": "bundled", "device": "cpu", "rgb": False, "contrast_limits": (0.0, 255.0)}
    assert ESTIMATE(source, 128, **how) == 14.0
    assert views == [(128, 128, 3)] * 5
    monkeypatch.setattr("napari_sam2_automask.engine.estimate_diameter", lambda *_: 0.0)
    assert ESTIMATE(source, 128, **how) == 0.0


def test_a_second_run_on_one_output_is_refused(image, tmp_path):
    folder = run_folder(tmp_path / "labels.zarr")
    folder.mkdir()
    with FileLock(folder / "lock"):
        assert "another run is writing" in message(image, "--out", tmp_path / "labels.zarr", *SIZES)


def test_tiles_that_fail_are_told_and_the_rest_is_done(image, tmp_path):
    pixels = np.load(image)
    pixels[5, 5] = 255
    np.save(image, pixels)
    done = invoke(image, "--out", tmp_path / "labels.zarr", *SIZES)
    assert done.exit_code == 1
    assert "tile 0 (plane 0, rows 0-128, columns 0-128) was set aside: ValueError: this tile" in done.output
    assert "1 tiles were set aside: the same command tries them again" in done.output
    assert len(pd.read_csv(tmp_path / "labels.objects.csv")) > 5


@pytest.mark.parametrize("options", [{"tile": (64, 64)}, {"compression": "zlib"}, {}])
def test_tiff_in_any_layout(image, tmp_path, options):
    import tifffile

    tifffile.imwrite(tmp_path / "in.tif", np.load(image), **options)
    invoke(image, "--out", tmp_path / "expected.zarr", *SIZES)
    done = invoke(tmp_path / "in.tif", "--out", tmp_path / "labels.zarr", *SIZES)
    assert done.exit_code == 0, done.output
    read = [(tmp_path / f"{name}.objects.csv").read_bytes() for name in ("expected", "labels")]
    assert read[0] == read[1]


def test_zarr_in_and_missing_chunks(image, tmp_path):
    array = zarr.create_array(tmp_path / "in.zarr", shape=(200, 300), chunks=(100, 100), dtype="uint8")
    array[:100] = np.load(image)[:100]
    words = message(tmp_path / "in.zarr", "--out", tmp_path / "labels.zarr", *SIZES)
    assert "lacks 3 of its chunks" in words and "--allow-missing" in words
    refused = invoke(tmp_path / "in.zarr", "--out", tmp_path / "out", command="segment")
    assert refused.exit_code == 1 and words in refused.stderr and not (tmp_path / "out").exists()
    one = ("--parameter", "points-per-side", "--values", "2", "--out", tmp_path)
    assert message(tmp_path / "in.zarr", *one, command="sweep") == words
    done = invoke(tmp_path / "in.zarr", "--out", tmp_path / "labels.zarr", *SIZES, "--allow-missing")
    assert done.exit_code == 0, done.output


def test_shards(image, tmp_path):
    pixels = np.load(image)
    path = tmp_path / "in.zarr"
    zarr.create_array(path, data=pixels, chunks=(50, 50), shards=(100, 100))
    done = invoke(path, "--out", tmp_path / "labels.zarr", *SIZES)
    assert done.exit_code == 0, done.output
    invoke(image, "--out", tmp_path / "expected.zarr", *SIZES)
    read = [(tmp_path / f"{name}.objects.csv").read_bytes() for name in ("expected", "labels")]
    assert read[0] == read[1]
    (path / "c/1/2").unlink()
    assert "in.zarr lacks 1 of its chunks" in message(path, "--out", tmp_path / "other.zarr", *SIZES)
    whole = (path / "c/1/1").read_bytes()
    (path / "c/1/1").write_bytes(whole[:9] + b"\0" * 9 + whole[18:-9] + b"damaged!!")
    words = message(path, "--out", tmp_path / "other.zarr", *SIZES, "--allow-missing")
    assert "cannot read the pixels of" in words and "in.zarr" in words


@pytest.mark.parametrize("value", [0, 7, 250])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_an_image_of_one_intensity_has_no_objects(tmp_path, value, dtype, monkeypatch):
    seen = []

    def load(self):
        def segment(pixels, place):
            view = to_model_view(pixels, rgb=self.rgb, contrast_limits=self.contrast_limits)
            seen.append(int(view.max()))
            return segment_tile(view[..., 0])

        return segment

    monkeypatch.setattr(tile_segmenter.ModelSegmenter, "load", load)
    np.save(tmp_path / "blank.npy", np.full((150, 200), value, dtype))
    done = invoke(tmp_path / "blank.npy", "--out", tmp_path / "labels.zarr", *SIZES)
    assert done.exit_code == 0 and "0 objects" in done.output and set(seen) == {0}
    table = pd.read_csv(tmp_path / "labels.objects.csv")
    assert table.empty


def test_an_image_of_several_is_chosen(image, tmp_path):
    import tifffile

    with tifffile.TiffWriter(tmp_path / "in.tif") as tiff:
        tiff.write(np.zeros((40, 50), np.uint8))
        tiff.write(np.load(image))
    assert "in.tif holds 2 series: choose with --series N, from 0 to 1" in message(
        tmp_path / "in.tif", "--out", tmp_path / "labels.zarr", *SIZES
    )
    done = invoke(tmp_path / "in.tif", "--out", tmp_path / "labels.zarr", *SIZES, "--series", 1)
    assert done.exit_code == 0, done.output
    invoke(image, "--out", tmp_path / "expected.zarr", *SIZES)
    read = [(tmp_path / f"{name}.objects.csv").read_bytes() for name in ("expected", "labels")]
    assert read[0] == read[1]
    assert "no series 2" in message(tmp_path / "in.tif", "--out", tmp_path / "o.zarr", *SIZES, "--series", 2)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.full((30, 40), np.nan), "has no finite value"),
        (np.ones((30, 40), complex), "holds complex128"),
        (np.ones((30, 40), [("a", "u1")]), "in place of pixels"),
        (np.ones(40), "do not fit"),
        (np.float64(3), "do not fit"),
        (np.zeros((0, 40)), "is empty"),
    ],
)
def test_what_is_no_image_is_said_in_a_line_with_its_name(tmp_path, array, words):
    np.save(tmp_path / "in.npy", array)
    told = message(tmp_path / "in.npy", "--out", tmp_path / "labels.zarr", *SIZES)
    assert words in told and "in.npy" in told and "\n" not in told


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--unit", "furlong", "--spacing", 1, 1, 1], "unknown unit 'furlong'"),
        (["--axes", "ZYX"], "do not fit"),
        (["--tile-overlap", 100], "half a tile"),
        (["--workers", 0], "--workers"),
        (["--scheduler", "tcp://127.0.0.1:9", "--device", "auto"], "device"),
        (["--level", 3], "no level 3"),
        (["--model", "nothing.pt"], "nothing.pt"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(tmp_path, image, options, words):
    if "--level" in options:
        image = tmp_path / "image.tif"
        import tifffile

        tifffile.imwrite(image, np.zeros((200, 200), np.uint8))
    assert words in message(image, "--out", tmp_path / "labels.zarr", *SIZES, *options)
    assert not (tmp_path / "labels.zarr").exists()
    assert "ends in .zarr" in message(image, "--out", tmp_path / "labels", *SIZES)


def test_a_unit_of_the_file_that_is_not_known(tmp_path):
    group = zarr.create_group(tmp_path / "in.zarr")
    group.create_array("0", shape=(64, 64), chunks=(64, 64), dtype="uint8")[:] = 7
    axes = [{"name": name, "type": "space", "unit": "cubit"} for name in "yx"]
    scale = [{"type": "scale", "scale": [0.5, 0.5]}]
    dataset = {"path": "0", "coordinateTransformations": scale}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [dataset]}]}
    done = invoke(tmp_path / "in.zarr", "--out", tmp_path / "labels.zarr", *SIZES)
    assert done.exit_code == 0, done.output
    _, keywords = open_levels(tmp_path / "labels.zarr")
    assert keywords["scale"] == (0.5, 0.5) and "units" not in keywords, "where the image lies"
    assert not any("area_" in name for name in pd.read_csv(tmp_path / "labels.objects.csv"))


def test_a_level_of_a_pyramid_has_larger_pixels(tmp_path):
    pixels = cells((256, 256), seed=1, large=0)[0]
    group = zarr.create_group(tmp_path / "in.zarr")
    datasets = []
    for level in (0, 1):
        part = np.minimum(pixels[:: 2**level, :: 2**level], 250)
        group.create_array(str(level), shape=part.shape, chunks=(128, 128), dtype=part.dtype)[:] = part
        scale = [{"type": "scale", "scale": [0.5 * 2**level] * 2}]
        datasets.append({"path": str(level), "coordinateTransformations": scale})
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    done = invoke(tmp_path / "in.zarr", "--out", tmp_path / "labels.zarr", *SIZES, "--level", 1)
    assert done.exit_code == 0, done.output
    table = pd.read_csv(tmp_path / "labels.objects.csv")
    assert len(table)
    np.testing.assert_allclose(table["area_um2"], table["area"])
    for size, level in (("0.5 um", 0), ("600 nm", 0), ("0.7 um", 0), ("0.8 um", 1), ("1 um", 1), ("9 um", 1)):
        out = tmp_path / f"{size}.zarr"
        done = invoke(tmp_path / "in.zarr", "--out", out, *SIZES, "--pixel-size", size)
        assert done.exit_code == 0 and f"level {level} of the pyramid" in done.output, done.output
        same = pd.read_csv(tmp_path / f"{size}.objects.csv").equals(table)
        assert same == (level == 1)
    both = ["--level", 1, "--pixel-size", "1 um"]
    assert "give one of them" in message(tmp_path / "in.zarr", "--out", tmp_path / "o.zarr", *SIZES, *both)
    for size, words in (("0 um", "a length above 0"), ("1 um2", "a length"), ("x", "give a number")):
        wrong = message(tmp_path / "in.zarr", "--out", tmp_path / "o.zarr", *SIZES, "--pixel-size", size)
        assert words in wrong


def test_a_pixel_size_is_of_no_use_where_the_file_gives_none(image, tmp_path):
    words = message(image, "--out", tmp_path / "labels.zarr", *SIZES, "--pixel-size", "1 um")
    assert "nothing says how large a pixel is" in words
    done = invoke(image, "--out", tmp_path / "labels.zarr", *SIZES, "--pixel-size", 3)
    assert done.exit_code == 0 and "level 0" in done.output, "an image without a pyramid"


def test_runs_that_are_not_there(tmp_path):
    for verb, words in (("status", "no run"), ("stop", "no run is writing"), ("resume", "no run to go on")):
        assert words in message(verb, tmp_path / "labels.zarr", command="runs")


def test_the_state_of_a_run_is_told(image, tmp_path):
    invoke(image, "--out", tmp_path / "labels.zarr", *SIZES)
    assert "finished" in invoke("status", tmp_path / "labels.zarr", command="runs").output


@pytest.mark.parametrize(
    ("unit", "expected"),
    [("minute", (120.0, 90.0)), ("second", (2.0, 1.5)), ("parsec", (1.0, 0.0)), (None, (1.0, 0.0))],
)
@pytest.mark.parametrize("whole", [False, True])
def test_the_time_of_the_first_frame_is_carried_over(tmp_path, unit, expected, whole):
    group = zarr.create_group(tmp_path / "in.zarr")
    group.create_array("0", data=np.minimum([cells((100, 120), seed=1, large=0)[0]] * 2, 250))
    axes = [{"name": "t", "type": "time"}, {"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
    axes[0] |= {"unit": unit} if unit else {}
    place = [
        {"type": "scale", "scale": [2.0, 1.0, 1.0]},
        {"type": "translation", "translation": [1.5, 3.0, 4.0]},
    ]
    one = {"path": "0", "coordinateTransformations": place[:1] if whole else place}
    multiscale = {"axes": axes, "datasets": [one]}
    if whole:
        multiscale["coordinateTransformations"] = [
            {"type": "scale", "scale": [1.0, 1.0, 1.0]},
            place[1],
        ]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [multiscale]}
    done = invoke(tmp_path / "in.zarr", "--out", tmp_path / "labels.zarr", *SIZES)
    assert done.exit_code == 0, done.output
    _, keywords = open_levels(tmp_path / "labels.zarr")
    step, start = expected
    assert keywords["axis_labels"] == ("t", "y", "x")
    assert (keywords["scale"], keywords["translate"]) == ((step, 1.0, 1.0), (start, 3.0, 4.0))
