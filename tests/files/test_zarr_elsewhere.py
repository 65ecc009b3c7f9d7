"""OME-Zarrs in zip files and at web addresses: the same pixels, and the same care as with folders."""

from __future__ import annotations

import gzip
import json
import pickle
import time
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import zarr
from web_folder import served

from napari_sam2_automask.batch.finding import find_images
from napari_sam2_automask.batch.planning import Wanted, plan
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files import open_file, pixel_size_of, read_image, web_address, web_place
from napari_sam2_automask.files.hashes import file_hash
from napari_sam2_automask.files.series import name_of
from napari_sam2_automask.files.web_address import Address, given_path
from napari_sam2_automask.large.source.source import FileSource
from napari_sam2_automask.large.tiles.grid import Box

PIXELS = np.random.default_rng(0).integers(0, 255, (70, 90)).astype(np.uint8)
BOMB = gzip.compress(bytes(100 * 2**20), 9)


def image(path, version=3, **storage):
    """Write an OME-Zarr of two levels whose pixels are half a micrometre wide."""
    group = zarr.create_group(str(path), zarr_format=version)
    datasets = []
    for level in range(2):
        array = group.create_array(
            str(level), shape=PIXELS[:: level + 1, :: level + 1].shape, chunks=(16, 32), dtype="u1", **storage
        )
        array[...] = PIXELS[:: level + 1, :: level + 1]
        scale = [0.5 * (level + 1)] * 2
        datasets.append(
            {"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": scale}]}
        )
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    told = {"multiscales": [{"version": "0.4", "axes": axes, "datasets": datasets}]}
    group.attrs.put({"ome": {"version": "0.5", **told}} if version == 3 else told)
    return path


def zipped(folder, path, top="", compression=zipfile.ZIP_STORED):
    """Put a folder into a zip file."""
    with zipfile.ZipFile(path, "w", compression) as file:
        for one in sorted(one for one in folder.rglob("*") if one.is_file()):
            file.write(one, top + one.relative_to(folder).as_posix())
    return path


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("shards", [None, (32, 64)])
@pytest.mark.parametrize("where", ["zip", "zip of a folder", "deflated", "web"])
def test_the_pixels_are_those_of_the_folder(tmp_path, where, version, shards):
    if version == 2 and shards:
        shards = None
    folder = image(tmp_path / "a.zarr", version, shards=shards)
    if where == "web":
        with served(tmp_path) as (address, asked):
            same_as_folder(web_address(f"{address}/a.zarr"), folder)
            assert not any(path.startswith("/a.zarr/1/c") for path, _ in asked)
        return
    compression = zipfile.ZIP_DEFLATED if where == "deflated" else zipfile.ZIP_STORED
    path = zipped(folder, tmp_path / "b.ozx", "x/" if "folder" in where else "", compression)
    same_as_folder(path, folder)
    assert file_hash(path) == file_hash(folder)


def same_as_folder(path, folder):
    np.testing.assert_array_equal(read_image(path).array, PIXELS)
    assert pixel_size_of(path) == pixel_size_of(folder) == (None, 0.5, 0.5, "um")
    array, axes = open_file(path, 1)
    assert axes == "YX" and array.shape == (35, 45)
    part = FileSource(path if isinstance(path, Address) else str(path)).read(0, Box(10, 3, 40, 20))
    np.testing.assert_array_equal(part, PIXELS[10:40, 3:20])


def test_chunks_are_read_when_they_are_looked_at(tmp_path):
    image(tmp_path / "a.zarr")
    with served(tmp_path) as (address, asked):
        array, _ = open_file(web_address(f"{address}/a.zarr"))
        assert not any("/c/" in path for path, _ in asked)
        np.testing.assert_array_equal(array[17:20, 40:50], PIXELS[17:20, 40:50])
        assert {path for path, _ in asked if "/c/" in path} == {"/a.zarr/0/c/1/1"}


def test_zips_are_found_in_folders_and_others_are_not_taken_for_images(tmp_path):
    folder = image(tmp_path / "src" / "a.zarr")
    path = zipped(folder, tmp_path / "b.ome.zarr.zip")
    (tmp_path / "c.zarr.zip").write_bytes(b"PK\x03\x04 damaged")
    (tmp_path / "rois.zip").write_bytes(path.read_bytes())
    found, _ = find_images([tmp_path])
    assert [one.name for one in found] == ["b.ome.zarr.zip", "c.zarr.zip"] and name_of(path) == "b"
    with pytest.raises(ImageError, match=r"c\.zarr\.zip cannot be read"):
        read_image(tmp_path / "c.zarr.zip")


def test_a_zip_lacks_chunks_that_are_not_stored(tmp_path):
    folder = image(tmp_path / "a.zarr")
    next((folder / "0" / "c").rglob("1")).joinpath("1").unlink(missing_ok=True)
    (folder / "0" / "c" / "0" / "0").unlink()
    for path in (zipped(folder, tmp_path / "a.ozx"), folder):
        with pytest.raises(
            ImageError, match="lacks 2 of its chunks, which read as 0: it may be a broken copy"
        ):
            FileSource(str(path)).description()
        for wanted in (Wanted(), Wanted(planes="all")):
            refused = plan([path], tmp_path / "out", wanted)
            assert list(refused.useless) == [path] and not refused.stacks
            assert refused.useless[path].startswith(f"{path} lacks 2 of its chunks, which read as 0: it may")
            allowed = plan([path], tmp_path / "out", replace(wanted, allow_missing=True))
            assert not allowed.useless and allowed.results == 1
        assert not plan([path], tmp_path / "out", Wanted(level=1)).useless


class Trap:
    def __reduce__(self):
        return pytest.fail, ("a pickle was read",)


def evil(folder):
    """Return the ways in which chunks do harm: metadata, a chunk, and what is said of it."""
    return {
        "a pickle": (
            {"filters": [{"id": "pickle"}]},
            pickle.dumps(Trap()),
            "not known to be safe|cannot be read",
        ),
        "objects": (
            {"dtype": "|O", "fill_value": "", "filters": [{"id": "vlen-utf8"}]},
            b"",
            "place of pixels|read",
        ),
        "a bomb": ({"compressor": {"id": "gzip", "level": 1}}, BOMB, "decoded to far more"),
        "a large file": ({}, bytes(30 * 2**20), "far more than"),
    }


@pytest.mark.parametrize("kind", ["a pickle", "objects", "a bomb", "a large file"])
@pytest.mark.parametrize("where", ["zip", "web"])
def test_what_does_harm_is_refused_as_in_a_folder(tmp_path, monkeypatch, kind, where):
    monkeypatch.setattr(numcodecs.Pickle, "decode", lambda *_: pytest.fail("a pickle was decoded"))
    folder = image(tmp_path / "a.zarr", 2, compressors=None)
    metadata, chunk, words = evil(folder)[kind]
    described = json.loads((folder / "0" / ".zarray").read_text()) | metadata
    (folder / "0" / ".zarray").write_text(json.dumps(described))
    for stored in (folder / "0").glob("[0-9]*"):  # whichever is read first
        stored.write_bytes(chunk)
    with served(tmp_path) as (address, asked):
        zip_path = zipped(folder, tmp_path / "a.ozx")
        path = web_address(f"{address}/a.zarr") if where == "web" else zip_path
        with pytest.raises(ImageError, match=words) as error:
            read_image(path)
        assert "\n" not in str(error.value) and str(path) in str(error.value)
        if kind in ("a pickle", "objects"):
            assert not any("0/0.0" in asked_for for asked_for, _ in asked)


def test_encrypted_zips_and_those_without_an_image_are_refused(tmp_path):
    zarr.create_group(str(tmp_path / "p.zarr"))
    with pytest.raises(ImageError, match=r"p.ozx is a Zarr group without an OME-Zarr image: give the path"):
        read_image(zipped(tmp_path / "p.zarr", tmp_path / "p.ozx"))
    path = zipped(image(tmp_path / "a.zarr"), tmp_path / "a.ozx")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "mac.ozx", "w") as new:
        for name in old.namelist():
            new.writestr(f"x/a.zarr/{name}", old.read(name))
            new.writestr(str(Path("__MACOSX/x/a.zarr", name).with_name(f"._{Path(name).name}")), b"")
    np.testing.assert_array_equal(read_image(tmp_path / "mac.ozx").array, PIXELS)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(ImageError, match="encrypted"):
        read_image(path)


def redirect(request, target):
    request.send(302, Location=target)
    return True


def test_redirects_are_few_and_stay_on_the_web(tmp_path):
    image(tmp_path / "a.zarr")
    jump = {"to": "/a.zarr"}

    def answer(request):
        if not request.path.startswith("/start"):
            return False
        return redirect(request, request.path.replace("/start", jump["to"], 1))

    with served(tmp_path, answer) as (address, asked):
        np.testing.assert_array_equal(read_image(web_address(f"{address}/start")).array, PIXELS)
        jump["to"] = "file:///etc"
        with pytest.raises(ImageError, match=r"not followed|not allowed"):
            read_image(web_address(f"{address}/start"))
        jump["to"] = "/start/x"
        asked.clear()
        with pytest.raises(ImageError, match="cannot read"):
            read_image(web_address(f"{address}/start"))
        assert len(asked) <= 3 * 2 * 6  # three files are looked for, twice
    safe = web_place.request.Request("https://host/a.zarr/zarr.json")
    with pytest.raises(ImageError, match="not followed"):
        web_place._Redirects().redirect_request(safe, None, 302, "", {}, "http://host/b")


def test_a_server_that_drips_or_breaks_off_is_given_up(tmp_path, monkeypatch):
    image(tmp_path / "a.zarr")
    monkeypatch.setattr(web_place, "_LONGEST", 0.3)

    def answer(request):
        if "/c/" not in request.path:
            return False
        request.send_response(200)
        request.send_header("Content-Length", "500")
        request.end_headers()
        for _ in range(100 if mode == "drips" else 1):
            try:
                request.wfile.write(b"x")
                request.wfile.flush()
            except OSError:
                break
            time.sleep(0.02)
        request.close_connection = True
        return True

    for mode, words in (("drips", "takes longer than"), ("breaks", "ended early")):  # noqa: B007
        with served(tmp_path, answer) as (address, _), pytest.raises(ImageError, match=words):
            read_image(web_address(f"{address}/a.zarr"))


def test_what_is_not_there_and_what_is_refused_is_said_in_a_line(tmp_path, monkeypatch):
    def answer(request):
        return request.send(500) or True

    with served(tmp_path) as (address, _), pytest.raises(ImageError, match=r"none\.zarr"):
        read_image(web_address(f"{address}/none.zarr"))
    with pytest.raises(ImageError, match="check the address and the network"):
        read_image(web_address(f"{address}/a.zarr"))
    with served(tmp_path, answer) as (address, asked), pytest.raises(ImageError, match="answers 500"):
        read_image(web_address(f"{address}/a.zarr"))
    # Tried once more; of several files that are asked for at once the first to be refused ends it for all.
    assert max(Counter(path for path, _ in asked).values()) == 2
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ImageError, match="Offline"):
        read_image(web_address("http://127.0.0.1/a.zarr"))


@pytest.mark.parametrize(
    "text",
    ["ftp://host/a.zarr", "http:///a.zarr", "https://me:pw@host/a", "https://h/a?x=1", "https://h/../a",
     "a.zarr", "http://h:x/a", "https://h/a b"],
)  # fmt: skip
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ImageError):
        web_address(text)


def test_an_address_stays_one_and_no_path_becomes_one():
    address = web_address("https://host:80/x/a.ome.zarr/")
    assert str(address) == f"{address}" == "https://host:80/x/a.ome.zarr" and address.name == "a.ome.zarr"
    assert pickle.loads(pickle.dumps(address)) == address and type(address / "0" / "c") is Address
    assert (
        str(address / "0") == "https://host:80/x/a.ome.zarr/0" and str(address.parent) == "https://host:80/x"
    )
    assert str(address.absolute()) == str(address.resolve()) == str(address) and not address.exists()
    assert given_path(str(address)) == address and type(given_path("https/a.tif")) is type(Path())
    with pytest.raises(ImageError, match="there is no file"):
        read_image(Path("https://127.0.0.1/a.zarr"))
