"""Files that are made to do harm: none runs code, none fills the memory, each is refused in one line."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import pickle
import resource
import struct
import zlib

import numcodecs
import numpy as np
import pytest
import tifffile
import zarr
from zarr.codecs import BloscCodec, BytesCodec, GzipCodec, ShardingCodec, TransposeCodec, ZstdCodec

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.reading import every_plane, read_image
from napari_sam2_automask.files.stack_file import open_stack
from napari_sam2_automask.image.pick import Pick
from napari_sam2_automask.large.output.omezarr import Pyramid, open_levels
from napari_sam2_automask.large.source.source import FileSource
from napari_sam2_automask.large.tiles.grid import Box

PIXELS = np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)
AXES = [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
MULTISCALE = {
    "version": "0.4",
    "axes": AXES,
    "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 1]}]}],
}


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return exec, ("import builtins; builtins.sprung = True",)


@pytest.fixture(autouse=True)
def not_sprung(monkeypatch):
    """No pickle is loaded, whatever the numcodecs that is installed thinks of it."""

    def decode(self, buf, out=None):
        pytest.fail("a pickle was decoded")

    monkeypatch.setattr(numcodecs.Pickle, "decode", decode)


def write_v2(path, chunk=None, *, group=True, **metadata):
    """Write a Zarr of version 2 by hand, with what is asked for in its metadata."""
    array = path / "0" if group else path
    array.mkdir(parents=True)
    if group:
        (path / ".zgroup").write_text('{"zarr_format": 2}')
        (path / ".zattrs").write_text(json.dumps({"multiscales": [MULTISCALE]}))
    described = {
        "zarr_format": 2, "shape": [64, 64], "chunks": [64, 64], "dtype": "|u1", "fill_value": 0,
        "order": "C", "filters": None, "compressor": None,
    } | metadata  # fmt: skip
    (array / ".zarray").write_text(json.dumps(described))
    (array / "0.0").write_bytes(PIXELS.tobytes() if chunk is None else chunk)
    return path


def ways(path):
    """Return all ways in which the pixels of a file are read."""
    return (
        lambda: read_image(path),
        lambda: open_stack(path).read(Pick()),
        lambda: list(every_plane(path)),
        lambda: FileSource(str(path)).read(0, Box(0, 0, 8, 8)),
    )


def refused(path, match):
    for read in ways(path):
        with pytest.raises(ImageError, match=match) as error:
            read()
        assert "\n" not in str(error.value) and path.name in str(error.value)


OBJECTS = {"dtype": "|O", "fill_value": ""}


@pytest.mark.parametrize("group", [True, False])
@pytest.mark.parametrize(
    "metadata",
    [
        {"filters": [{"id": "pickle"}]},
        {"compressor": {"id": "pickle"}},
        {"filters": [{"id": "shuffle"}, {"id": "pickle"}]},
        OBJECTS | {"filters": [{"id": "vlen-utf8"}, {"id": "pickle"}]},
        OBJECTS | {"filters": [{"id": "vlen-utf8"}], "compressor": {"id": "pickle"}},
        OBJECTS | {"filters": [{"id": "json2"}, {"id": "pickle"}]},
        OBJECTS | {"filters": [{"id": "pickle"}]},
        OBJECTS | {"filters": [{"id": "msgpack2"}]},
        {"compressor": {"id": "no such codec"}},
        {"filters": [{"id": "delta", "dtype": "|O"}]},
        {"filters": [{"id": "astype", "encode_dtype": "|S8", "decode_dtype": "|u1"}]},
        {"filters": [{"id": "categorize", "labels": ["a"], "dtype": "|O"}]},
    ],
)
def test_no_codec_runs_code(tmp_path, metadata, group):
    path = write_v2(tmp_path / "a.ome.zarr", pickle.dumps(Trap()), group=group, **metadata)
    refused(path, r"not known to be safe|in place of pixels|cannot be read")


def test_consolidated_metadata_smuggle_nothing(tmp_path):
    path = write_v2(tmp_path / "a.zarr")
    np.testing.assert_array_equal(read_image(path).array, PIXELS)
    harmless = json.loads((path / "0" / ".zarray").read_text())
    evil = harmless | {"filters": [{"id": "pickle"}]}
    told = {".zgroup": {"zarr_format": 2}, ".zattrs": {"multiscales": [MULTISCALE]}, "0/.zarray": evil}
    (path / ".zmetadata").write_text(json.dumps({"zarr_consolidated_format": 1, "metadata": told}))
    refused(path, "cannot be read")
    evil = harmless | {"filters": [{"id": "base64"}]}
    told["0/.zarray"] = evil
    (path / ".zmetadata").write_text(json.dumps({"zarr_consolidated_format": 1, "metadata": told}))
    refused(path, "codec 'base64', which is not known to be safe")


def test_codecs_of_version_3(tmp_path):
    for number, name in enumerate(("numcodecs.pickle", "vlen-utf8", "vlen-bytes")):
        path = tmp_path / f"{number}.zarr"
        zarr.create_array(path, data=PIXELS, chunks=(32, 32), zarr_format=3)
        metadata = json.loads((path / "zarr.json").read_text())
        metadata["codecs"] = [*metadata["codecs"][:1], {"name": name, "configuration": {}}]
        (path / "zarr.json").write_text(json.dumps(metadata))
        refused(path, "not known to be safe|cannot be read")


@pytest.mark.parametrize(
    "dtype", ["|S4", "<U3", "<c8", "<c16", "<M8[s]", "<m8[s]", "|V3", [["a", "<u2"], ["b", "<u2"]]]
)
def test_pixels_that_are_no_numbers_are_refused(tmp_path, dtype):
    described = np.dtype([tuple(one) for one in dtype] if isinstance(dtype, list) else dtype)
    write_v2(tmp_path / "a.zarr", bytes(64 * 64 * described.itemsize), dtype=dtype, fill_value=None)
    refused(tmp_path / "a.zarr", "in place of pixels|cannot be read")
    np.save(tmp_path / "a.npy", np.zeros((64, 64), described))
    refused(tmp_path / "a.npy", "in place of pixels")


def test_objects_in_npy_and_complex_tiffs_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[Trap()] * 3] * 3, object), allow_pickle=True)
    refused(tmp_path / "a.npy", "cannot be read")
    for dtype in ("complex64", "complex128"):
        tifffile.imwrite(tmp_path / "a.tif", np.zeros((20, 30), dtype))
        refused(tmp_path / "a.tif", f"{dtype} in place of pixels: save it, np.abs of it, as integers")


@pytest.mark.parametrize("dtype", ["?", "|i1", "<u2", ">u2", ">i4", "<u8", "<f2", ">f4", "<f8"])
@pytest.mark.parametrize(
    ("filters", "compressor"),
    [
        (None, None),
        (None, {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}),
        (None, {"id": "zlib", "level": 1}),
        (None, {"id": "gzip", "level": 1}),
        (None, {"id": "bz2", "level": 1}),
        (None, {"id": "lz4", "acceleration": 1}),
        (None, {"id": "zstd", "level": 1}),
        (None, {"id": "lzma", "format": 1, "check": -1, "preset": None, "filters": None}),
        ([{"id": "shuffle", "elementsize": 4}], {"id": "zlib", "level": 1}),
    ],
)
def test_harmless_codecs_are_read(tmp_path, dtype, filters, compressor):
    pixels = (PIXELS // 3).astype(dtype)
    array = zarr.create_array(
        tmp_path / "a.zarr", shape=(64, 64), chunks=(24, 40), dtype=dtype, zarr_format=2,
        filters=[numcodecs.get_codec(one) for one in filters or ()] or None,
        compressors=numcodecs.get_codec(compressor) if compressor else None,
    )  # fmt: skip
    array[:] = pixels
    np.testing.assert_array_equal(read_image(tmp_path / "a.zarr").array, pixels)


@pytest.mark.parametrize("shards", [None, (64, 32)])
@pytest.mark.parametrize("codec", [BloscCodec(), GzipCodec(), ZstdCodec(), None])
def test_harmless_codecs_of_version_3_are_read(tmp_path, codec, shards):
    zarr.create_array(
        tmp_path / "a.zarr", data=PIXELS, chunks=(16, 32), shards=shards, compressors=codec, zarr_format=3,
        filters=TransposeCodec(order=(1, 0)),
    )  # fmt: skip
    np.testing.assert_array_equal(read_image(tmp_path / "a.zarr").array, PIXELS)
    part = FileSource(str(tmp_path / "a.zarr")).read(0, Box(10, 3, 40, 20))
    np.testing.assert_array_equal(part, PIXELS[10:40, 3:20])


@pytest.mark.parametrize("place", ["start", "end"])
def test_the_index_of_a_shard_at_either_end(tmp_path, place):
    codec = ShardingCodec(chunk_shape=(16, 16), codecs=[BytesCodec(), GzipCodec()], index_location=place)
    zarr.create_array(
        tmp_path / "a.zarr", shape=(64, 64), chunks=(32, 64), dtype="u1", serializer=codec, compressors=None,
        filters=None,
    )[:] = PIXELS  # fmt: skip
    np.testing.assert_array_equal(read_image(tmp_path / "a.zarr").array, PIXELS)
    part = FileSource(str(tmp_path / "a.zarr")).read(0, Box(10, 3, 40, 20))
    np.testing.assert_array_equal(part, PIXELS[10:40, 3:20])


@pytest.mark.parametrize("place", ["start", "end"])
@pytest.mark.parametrize("left", [0, 7])
def test_a_shard_that_is_cut_off_is_not_black(tmp_path, place, left):
    codec = ShardingCodec(chunk_shape=(16, 16), codecs=[BytesCodec()], index_location=place)
    zarr.create_array(
        tmp_path / "a.zarr", shape=(64, 64), chunks=(32, 64), dtype="u1", serializer=codec, compressors=None,
        filters=None,
    )[:] = PIXELS  # fmt: skip
    shard = tmp_path / "a.zarr" / "c" / "0" / "0"
    shard.write_bytes(shard.read_bytes()[:left])
    refused(tmp_path / "a.zarr", "has a shard that is cut off")


BOMB = 400 * 2**20


def bomb(name):
    zeros = bytes(BOMB)
    if name == "zstd of no told size":
        coder = numcodecs.Zstd(level=1).encode(zeros)
        assert coder[4] >> 6 == 2 and not coder[4] & 32  # the size is told in four bytes, behind the window's
        return coder[:4] + bytes([coder[4] & 31]) + coder[5:6] + coder[10:]
    return {
        "zlib": lambda: zlib.compress(zeros, 1),
        "gzip": lambda: gzip.compress(zeros, 1),
        "gzips": lambda: gzip.compress(zeros[: BOMB // 8], 1) * 8,
        "bz2": lambda: bz2.compress(zeros, 1),
        "lzma": lambda: lzma.compress(zeros, preset=0),
        "zstd": lambda: numcodecs.Zstd(level=1).encode(zeros),
        "blosc": lambda: numcodecs.Blosc().encode(zeros),
        "lz4": lambda: numcodecs.LZ4().encode(zeros),
    }[name]()


def grown(read):
    """Return by how many bytes the process's largest size grows while something is refused."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    read()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024


@pytest.mark.parametrize(
    "name", ["zlib", "gzip", "gzips", "bz2", "lzma", "zstd", "zstd of no told size", "blosc", "lz4"]
)
def test_chunks_that_would_fill_the_memory(tmp_path, monkeypatch, name):
    codec = name.split(" ")[0].removesuffix("s") if name != "gzips" else "gzip"
    write_v2(tmp_path / "a.zarr", bomb(name), compressor={"id": codec})
    refused(tmp_path / "a.zarr", "decoded to far more than its pixels")


@pytest.mark.parametrize("rows", [64, 16], ids=["one chunk", "all chunks"])
def test_chunks_of_shards_that_would_fill_the_memory(tmp_path, rows):
    zarr.create_array(
        tmp_path / "a.zarr", data=PIXELS, chunks=(16, 64), shards=(rows, 64), compressors=GzipCodec(),
        zarr_format=3,
    )  # fmt: skip
    for file in (tmp_path / "a.zarr" / "c").rglob("*"):
        if file.is_file():
            data, count = gzip.compress(bytes(BOMB), 1), rows // 16
            index = struct.pack("<QQ", 0, len(data)) * count
            import google_crc32c

            file.write_bytes(data + index + struct.pack("<I", google_crc32c.value(index)))
    refused(tmp_path / "a.zarr", "decoded to far more than its pixels")


def test_absurd_shapes_and_chunks(tmp_path):
    for number, (shape, chunks) in enumerate(
        [
            ((2**26, 2**26), (64, 64)),
            ((2**20, 2**20), (2**17, 2**17)),
            ((64, 64), (2**31, 2**31)),
            ((64, 64), (-1, 64)),
            ((64, 64), (0, 64)),
            ((-4, 64), (64, 64)),
            ((2**70, 2**70), (64, 64)),
            ((64, 64), (64,)),
            ((), ()),
        ]
    ):
        refused(
            write_v2(tmp_path / f"{number}.zarr", shape=list(shape), chunks=list(chunks)),
            "which no file can hold|do not fit into memory|cannot be read|do not fit",
        )
    path = write_v2(tmp_path / "plane.zarr", shape=[2**17, 2**17], chunks=[64, 64])
    with pytest.raises(ImageError, match="too large to be segmented at once: use sam2-automask large"):
        read_image(path)


@pytest.mark.parametrize("shape", [(2**40, 2**40), (2**62, 4), (-1, 5), (2**20, 2**20), ()])
def test_npy_files_that_claim_what_they_do_not_hold(tmp_path, shape):
    head = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    (tmp_path / "a.npy").write_bytes(
        b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + head.encode() + bytes(99)
    )
    refused(tmp_path / "a.npy", "cannot be read|do not fit")


def claims(path, size, **patches):
    """Write a small TIFF, then claim that it is larger."""
    tifffile.imwrite(path, PIXELS, compression="zlib", metadata=None, **patches)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        for name in ("ImageWidth", "ImageLength", "RowsPerStrip", "TileWidth", "TileLength"):
            if name in tiff.pages[0].tags:
                tiff.pages[0].tags[name].overwrite(size)
    return path


@pytest.mark.parametrize("size", [2**17, 2**24, 2**30])
@pytest.mark.parametrize("layout", [{}, {"tile": (16, 16)}], ids=["strips", "tiles"])
def test_tiffs_that_claim_what_they_do_not_hold(tmp_path, size, layout):
    path = claims(tmp_path / "a.tif", size, **layout)
    assert grown(lambda: refused(path, r"cannot|memory|too large|no file can hold")) < 200 * 2**20


@pytest.mark.parametrize("kind", ["PNG", "deep PNG", "GIF", "WEBP", "BMP", "JPEG"])
def test_pictures_that_claim_what_they_do_not_hold(tmp_path, kind):
    large = 2**16 - 20
    if kind.endswith("PNG"):
        head = struct.pack(">IIBBBBB", 2**24, 2**24, 16 if "deep" in kind else 8, 2, 0, 0, 0)
        chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(999))), (b"IEND", b""))
        data = b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks
        )
    else:
        from PIL import Image

        Image.fromarray(PIXELS).save(tmp_path / "small", format=kind)
        data = bytearray((tmp_path / "small").read_bytes())
        if kind == "JPEG":
            at = data.index(b"\xff\xc0") + 5
            data[at : at + 4] = struct.pack(">HH", large, large)
        elif kind == "GIF":
            data[6:10] = struct.pack("<HH", large, large)
        elif kind == "BMP":
            data[18:26] = struct.pack("<ii", 2**28, 2**28)
        else:
            at = data.index(b"\x9d\x01\x2a") + 3
            data[at : at + 4] = struct.pack("<HH", 16383, 16383)
    (tmp_path / "a").write_bytes(data)
    assert grown(lambda: refused(tmp_path / "a", r"too large for a|cannot")) < 200 * 2**20


def test_own_results_are_checked_when_they_are_read_back(tmp_path, monkeypatch):
    path = tmp_path / "labels.zarr"
    pyramid = Pyramid((64, 64), block=64)
    pyramid.create(path, np.uint8, {}, record={})
    pyramid.write(path, 0, 0, PIXELS)
    np.testing.assert_array_equal(open_levels(path)[0], PIXELS)
    np.testing.assert_array_equal(pyramid.read(path, 0, 0, Box(0, 0, 64, 64)), PIXELS)
    monkeypatch.setattr("napari_sam2_automask.files.zarr_bounds._HARMLESS", frozenset())
    for read in (
        lambda: pyramid.read(path, 0, 0, Box(0, 0, 8, 8)),
        lambda: pyramid.write(path, 0, 0, PIXELS),
        lambda: open_levels(path),
    ):
        with pytest.raises(ImageError, match="not known to be safe"):
            read()
