"""One small valid file of each kind that is read, and what reads it: to be damaged, see `mutations`."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GRAY = np.add.outer(np.arange(40), np.arange(48)).astype(np.uint8)
RGB = np.stack([GRAY, GRAY[::-1], GRAY[:, ::-1]], -1)
STACK = np.stack([GRAY.astype(np.uint16) * k for k in (1, 9, 200)])


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes
    ----------
    make : callable
        Takes a folder and writes a valid file, or a folder of files, there; returns its path.
    read : callable
        Takes the path and reads all that the package reads of it.
    text : bool
        Whether it is JSON.
    seal : callable or None
        Puts checksums right after damage, so that it comes as far as other writers' files do.
    """

    make: Callable[[Path], Path]
    read: Callable[[Path], Any]
    text: bool = False
    seal: Callable[[bytes], bytes] | None = None


def _tiff(name: str, pixels, **options) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        tifffile.imwrite(folder / name, pixels, **options)
        return folder / name

    return make


def _raster(name: str, pixels=GRAY, **options) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        from PIL import Image

        frames = [Image.fromarray(one) for one in (pixels if isinstance(pixels, list) else [pixels])]
        more = {"save_all": True, "append_images": frames[1:]} if len(frames) > 1 else {}
        frames[0].save(folder / name, **more, **options)
        return folder / name

    return make


def _pyramid(folder: Path) -> Path:
    from pyramid_factory import levels_of, write_tiff

    return write_tiff(folder / "pyramid.ome.tif", levels_of(GRAY))


def _deep_png(folder: Path) -> Path:
    import imagecodecs

    (folder / "deep.png").write_bytes(imagecodecs.png_encode(RGB.astype(np.uint16) * 257))
    return folder / "deep.png"


def _npy(folder: Path) -> Path:
    np.save(folder / "a.npy", STACK)
    return folder / "a.npy"


def _zarr(version: int) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        import zarr

        group = zarr.create_group(folder / "a.zarr", zarr_format=version)
        place = [
            {"type": "scale", "scale": [2.0, 0.5, 0.5]},
            {"type": "translation", "translation": [0, 1, 1]},
        ]
        for name, array in (("0", STACK), ("1", STACK[:, ::2, ::2])):
            group.create_array(name, shape=array.shape, chunks=(1, 32, 32), dtype=array.dtype)[:] = array
        axes = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "zyx"]
        sets = [{"path": name, "coordinateTransformations": place} for name in ("0", "1")]
        told = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": sets, "name": "a"}]}
        group.attrs.update({"ome": told} if version == 3 else told)
        return folder / "a.zarr"

    return make


def _plate(folder: Path) -> Path:
    import zarr

    plate = zarr.create_group(folder / "plate.zarr")
    plate.attrs["ome"] = {"version": "0.5", "plate": {"wells": [{"path": "A/1"}, {"path": "A/2"}]}}
    for well in ("A/1", "A/2"):
        group = plate.create_group(well)
        group.attrs["ome"] = {"version": "0.5", "well": {"images": [{"path": "0"}]}}
        image = group.create_group("0")
        image.create_array("0", shape=GRAY.shape, chunks=GRAY.shape, dtype=GRAY.dtype)[:] = GRAY
        axes = [{"name": axis, "type": "space"} for axis in "yx"]
        sets = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 1]}]}]
        image.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": sets}]}
    return folder / "plate.zarr"


def _json(name: str, data: Callable[[], Any]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_text(json.dumps(data()))
        return folder / name

    return make


def _settings() -> dict[str, Any]:
    from napari_sam2_automask.settings.amg import AmgSettings

    return AmgSettings(points_per_side=None, point_grids=(((0.5, 0.25),),)).to_json()


def _record() -> dict[str, Any]:
    limits = [0.0, 255.0]
    channel = {"name": "dapi", "path": "a.tif", "sha256": "0" * 64, "dtype": "uint8",
               "contrast_limits": limits, "colours": [[0, 0, 0], [1, 0.5, 0]], "gamma": 1.0, "opacity": 0.7,
               "blending": "additive"}  # fmt: skip
    region = {"name": "r", "box": [1, 2, 11, 22], "mask": None}
    viewer = {"layer": "a", "path": "a.tif", "level": 0, "shape": [3, 40, 48], "rows_columns": [1, 2],
              "planes": [[0]], "region": region, "contrast_limits": limits, "seconds": 1.5,
              "channels": {"how": "mix", "axis": None, "channels": [channel]}}  # fmt: skip
    pick = {"plane": 1, "project": None, "channel": 2, "axes": "CYX", "series": 0, "level": 0}
    one = {"format": "napari-sam2-automask record", "format_version": 2, "time": "2026-01-01T00:00:00+00:00",
           "settings": _settings(), "preset": "fine", "model": {"name": "bundled", "sha256": "0" * 64},
           "image": {"name": "a", "sha256": "0" * 64, "shape": [40, 48], "dtype": "uint8"}, "plane": 1,
           "contrast_limits": limits, "floor": [0.5, 0.7], "threads": 2, "pick": pick, "viewer": viewer,
           "file": {"name": "a.tif", "sha256": "0" * 64, "path": "a.tif"}, "objects": 7, "unit": "um",
           "removed": {"iou": 3}, "object_diameter": 12.5, "pixel_size": [0.5, 0.5]}  # fmt: skip
    link = {"along": "z", "spacing": [2.0, 0.5, 0.5], "unit": "um", "events": []}
    return one | {"link": link, "planes": [one, one | {"plane": 2}]}


def _preset() -> dict[str, Any]:
    named = {
        "format": "sam2-automask-preset",
        "version": 1,
        "name": "mine",
        "title": "Mine",
        "purpose": "cells",
    }
    return named | {"settings": _settings()}


def _coco() -> dict[str, Any]:
    from napari_sam2_automask.geometry.run_lengths import compressed_rle

    square = [1, 1, 9, 1, 9, 9, 1, 9]
    counts = [3, 10, 7 * 40 - 13, 20, 48 * 40 - 7 * 40 - 20]
    own = {"image_id": 1, "category_id": 1, "iscrowd": 0, "score": 0.5}
    shapes = (
        [square],
        {"size": [40, 48], "counts": counts},
        compressed_rle(3, 4, GRAY[:8, :9] > 5, (40, 48)),
    )
    annotations = [
        own | {"id": k + 1, "segmentation": one, "bbox": [1, 1, 8, 8], "area": 64}
        for k, one in enumerate(shapes)
    ]
    images = [{"id": 1, "file_name": "a.png", "height": 40, "width": 48}]
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "cell"}]}


def _spec() -> dict[str, Any]:
    from napari_sam2_automask.large.spec import LargeSpec
    from napari_sam2_automask.settings.amg import AmgSettings

    return LargeSpec("a.tif", "out.zarr", AmgSettings(), contrast_limits=(0.0, 9.0), series=0).to_json()


def _run_folder(folder: Path) -> Path:
    run = folder / "out.zarr.run"
    (run / "failed").mkdir(parents=True)
    notes = {
        "manifest.json": {"format": 1, "started": "2026", "identity": {"grid": {"tile": 64}, "image": {}}},
        "spec.json": _spec(),
        "status.json": {"stage": "tiles", "done": 3, "total": 9, "time": 1.0},
        "owner.json": {"pid": 1, "host": "here", "since": "2026"},
        "failed/3.json": {"plane": 0, "y": [0, 9], "x": [0, 9], "errors": ["it failed"]},
    }
    for name, note in notes.items():
        (run / name).write_text(json.dumps(note))
    return run


def _points(folder: Path) -> Path:
    (folder / "points.json").write_text("[[[0.5, 0.5], [0.25, 1], [0, 0.125]]]")
    return folder / "points.json"


def _choices() -> dict[str, Any]:
    run = {
        "output": "out.zarr",
        "image": "a.tif",
        "shape": [40, 48],
        "transform": {"scale": [1, 1]},
        "level": 0,
    }
    return {"model": "bundled", "device": "auto", "contrast": "layer", "preset": "fine",
            "custom": _settings(), "unfolded": True, "background_runs": [run]}  # fmt: skip


def _candidates(folder: Path) -> Path:
    from candidate_factory import Blob, make_candidates

    from napari_sam2_automask.candidates.file import save_candidates

    blobs = [Blob(10, 10, 5, 6, 0.9), Blob(20, 30, 6, 5, 0.8), Blob(22, 31, 3, 3, 0.7)]
    return save_candidates(make_candidates((40, 48), blobs), folder / "a.candidates.npz")


def _checkpoint(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        import torch
        from safetensors.torch import save_file

        weights = {f"image_encoder.trunk.blocks.{k}.norm1.weight": torch.zeros(4, 4) for k in range(3)}
        if name.endswith(".pt"):
            torch.save({"model": weights}, folder / name)
        else:
            save_file(weights, folder / name)
        return folder / name

    return make


def read_image_file(path: Path) -> None:
    """Read an image file as segment, large, replay and the widget do."""
    from napari_sam2_automask.batch.planning import Wanted, plan
    from napari_sam2_automask.errors import AutomaskError
    from napari_sam2_automask.files.own_results import is_own_result
    from napari_sam2_automask.files.pixel_size import scale_in_file
    from napari_sam2_automask.files.pyramid import place_level
    from napari_sam2_automask.files.reading import every_plane
    from napari_sam2_automask.image.pick import Pick
    from napari_sam2_automask.image.view import image_hash
    from napari_sam2_automask.large.source.source import FileSource
    from napari_sam2_automask.large.tiles.grid import Box

    is_own_result(path)
    scale_in_file(path)
    refused: AutomaskError | None = None
    planned = plan([path], path.parent / "out", Wanted(Pick(), planes="0:1", series="all"))
    assert len(planned.stacks) + len(planned.useless)
    for read in (_first_planes, _first_tile):
        try:
            read(path, every_plane, FileSource, Box)
            place_level(path, 0, None, 0)
        except AutomaskError as error:
            check_line(error, path)
            refused = error
    image_hash(np.zeros(3))
    if refused is not None:
        raise refused


def _first_planes(path: Path, every_plane, *_) -> None:
    for number, plane in enumerate(every_plane(path)):
        plane.views(None)
        if number > 3:
            return


def _first_tile(path: Path, _, file_source, box) -> None:
    source = file_source(str(path), "", 0, 0, True)
    if source.planes:
        rows, columns = source.shape
        source.read(0, box(0, 0, min(64, rows), min(64, columns)))


def _read_plate(path: Path) -> None:
    from napari_sam2_automask.files.series import images_in_zarr

    for image in images_in_zarr(path)[:4]:
        read_image_file(image)


def _read_record(path: Path) -> None:
    from napari_sam2_automask.disk.json_file import read_json
    from napari_sam2_automask.errors import SettingsError
    from napari_sam2_automask.image.channels import compose
    from napari_sam2_automask.record.settings_in import settings_from
    from napari_sam2_automask.replay.inputs import Inputs, read_record
    from napari_sam2_automask.replay.viewer_channels import _look

    settings_from(read_json(path, "a record", SettingsError), str(path))
    record = read_record(path)
    json.dumps(record.to_json(), allow_nan=False)
    viewer = record.viewer
    if viewer is not None and viewer.channels is not None:
        looks = [_look(one) for one in viewer.channels.channels][:4]
        compose([GRAY] * len(looks), looks)
    tifffile.imwrite(path.parent / "a.tif", np.stack([GRAY] * 3), photometric="minisblack")
    Inputs.of(record, path, path.parent / "a.tif").load(0)


def _read_preset(path: Path) -> None:
    from napari_sam2_automask.settings.preset_file import load_preset

    load_preset(path)


def _read_coco(path: Path) -> None:
    from napari_sam2_automask.files.coco import from_coco

    for objects in from_coco(path)[:3]:
        if np.prod(objects.shape) < 1e8:
            objects.labels()


def _read_run(path: Path) -> None:
    from napari_sam2_automask.large import background
    from napari_sam2_automask.large.output.run_folder import (
        Results,
        check_run_folder,
        is_run_folder,
        read_note,
    )
    from napari_sam2_automask.large.spec import LargeSpec

    output = path.with_name(path.name.removesuffix(".run"))
    told = background.status(output)
    f"{told.stage}: {told.done:,} of {told.total:,}"
    is_run_folder(path)
    Results(path).failures()
    check_run_folder(path)
    with _of(path):  # as `resume` tells it
        LargeSpec.from_json(read_note(path / "spec.json"))


def _read_points(path: Path) -> None:
    from napari_sam2_automask.cli.settings_options import choose_settings

    choose_settings(None, None, {"point_grids": str(path)})


def _read_choices(path: Path) -> None:
    from napari_sam2_automask._napari.background.known_runs import KnownRuns
    from napari_sam2_automask._napari.common.memory import Store
    from napari_sam2_automask.settings.amg import AmgSettings

    store = Store(path)
    KnownRuns(store).all()
    with _of(path), contextlib.suppress(TypeError):  # as `Remembered.restore` does
        AmgSettings.from_json(store.get("custom", {}))


def _read_candidates(path: Path) -> None:
    from napari_sam2_automask.candidates.file import load_candidates
    from napari_sam2_automask.painting.labels import paint
    from napari_sam2_automask.selection.selecting import select

    found = load_candidates(path)
    with _of(path):  # what was read knows of no file
        paint(select(found, found.settings))


def _read_checkpoint(path: Path) -> None:
    from napari_sam2_automask.models import load_model

    load_model(path, device="cpu")


@contextlib.contextmanager
def _of(path: Path):
    from napari_sam2_automask.errors import AutomaskError

    try:
        yield
    except AutomaskError as error:
        raise AutomaskError(f"{path}: {error}") from error


def seal_candidates(content: bytes, random=None) -> bytes:
    """Return a file of candidates with another value somewhere and a checksum that fits."""
    from mutations import edit_json

    from napari_sam2_automask.candidates.file import _digest

    with np.load(io.BytesIO(content)) as data:
        arrays = {name: data[name].copy() for name in data.files}
    told = arrays.pop("header").tobytes()
    if random.random() < 0.5:
        told = edit_json(told, random) or told
    else:
        for name in random.sample(sorted(arrays), random.choice((1, 1, 2))):
            arrays[name] = _damaged_array(arrays[name], random)
    try:
        header = json.loads(told)
        header["sha256"] = _digest(arrays, header)
        packed = np.frombuffer(json.dumps(header).encode(), np.uint8)
    except (ValueError, TypeError, RecursionError, AttributeError):
        return content
    out = io.BytesIO()
    np.savez_compressed(out, header=packed, **arrays)
    return out.getvalue()


def _damaged_array(array: np.ndarray, random) -> np.ndarray:
    how = random.random()
    if how < 0.1:
        return array[: random.randrange(len(array) + 1)]
    if how < 0.15:
        return np.concatenate([array, array])
    out = array.copy()
    if out.size:
        if out.dtype.kind == "f":
            value = random.choice((np.nan, np.inf, -np.inf, -1, 0, 6e4, 1e-7))
        else:
            top = np.iinfo(out.dtype).max
            value = random.choice((-1, 0, 1, 1000, 2**31 - 1, int(top), int(-top)))
        with np.errstate(over="ignore"):
            out.flat[random.randrange(out.size)] = np.array(value).astype(out.dtype)
    return out


def seal_png(content: bytes) -> bytes:
    """Return a PNG whose chunks have the right checksums."""
    out, at = bytearray(content[:8]), 8
    while at + 12 <= len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        body = content[at + 4 : at + 8 + size]
        out += content[at : at + 4] + body + zlib.crc32(body).to_bytes(4, "big")
        at += 12 + size
    return bytes(out + content[at:])


def check_line(error: Exception, path: Path) -> None:
    """Make sure that an error is one line that names the file."""
    text = str(error)
    names = [path.name, path.stem, *(one.name for one in path.parents[:2])]
    assert "\n" not in text and any(name in text for name in names), f"it is told so: {text!r}"
    assert len(text) < 2000, f"it is told at length: {text[:200]!r}"


def _outlines(name: str, write: Callable[[Any], bytes]) -> Callable[[Path], Path]:
    """Return what writes the outlines of three objects, one with a hole, one of two parts."""

    def make(folder: Path) -> Path:
        from napari_sam2_automask.files.formats import Outlines

        labels = np.zeros(GRAY.shape, np.uint16)
        labels[2:12, 3:13], labels[20:30, 5:25], labels[33:38, 30:40] = 1, 2, 3
        if name != "a.txt":
            labels[5:8, 6:9], labels[33:38, 34:36] = 0, 0
        (folder / name).write_bytes(write(Outlines.of_labels(labels)))
        return folder / name

    return make


def _formats() -> dict[str, Kind]:
    from napari_sam2_automask.files.formats import read_cellpose, read_geojson, read_rois, read_yolo
    from napari_sam2_automask.files.formats.cellpose import cellpose_npy
    from napari_sam2_automask.files.formats.geojson import geojson_of
    from napari_sam2_automask.files.formats.imagej import rois_zip
    from napari_sam2_automask.files.formats.yolo import yolo_text

    def geojson(outlines: Any) -> bytes:
        return json.dumps(geojson_of(outlines)).encode()

    def one_roi(outlines: Any) -> bytes:
        with zipfile.ZipFile(io.BytesIO(rois_zip(outlines))) as archive:
            return archive.read(archive.namelist()[0])

    return {
        "cellpose": Kind(_outlines("a_seg.npy", cellpose_npy), read_cellpose),
        "roi set": Kind(_outlines("a.zip", rois_zip), read_rois),
        "roi": Kind(_outlines("a.roi", one_roi), read_rois),
        "geojson": Kind(_outlines("a.geojson", geojson), read_geojson, text=True),
        "yolo": Kind(_outlines("a.txt", yolo_text), lambda path: read_yolo(path, GRAY.shape)),
    }


_IMAGE = read_image_file
_OME = {"axes": "ZYX", "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm", "PhysicalSizeZ": 2.0}
KINDS: dict[str, Kind] = {
    "tiff": Kind(_tiff("a.tif", GRAY), _IMAGE),
    "tiff, rgb in tiles": Kind(
        _tiff("a.tif", RGB, tile=(16, 16), compression="zlib", predictor=True), _IMAGE
    ),
    "tiff, planar": Kind(_tiff("a.tif", RGB.transpose(2, 0, 1), photometric="rgb", planarconfig=2), _IMAGE),
    "tiff, lzw": Kind(_tiff("a.tif", STACK, compression="lzw", photometric="minisblack"), _IMAGE),
    "tiff, lerc": Kind(_tiff("a.tif", GRAY, compression="lerc", tile=(16, 16)), _IMAGE),
    "tiff, jpeg": Kind(_tiff("a.tif", RGB, compression="jpeg", tile=(16, 16)), _IMAGE),
    "bigtiff": Kind(_tiff("a.btf", STACK, bigtiff=True, photometric="minisblack", byteorder=">"), _IMAGE),
    "ome-tiff": Kind(_tiff("a.ome.tif", STACK, photometric="minisblack", metadata=_OME), _IMAGE),
    "imagej": Kind(
        _tiff("a.tif", STACK, imagej=True, resolution=(2, 2), metadata={"unit": "um", "spacing": 2}), _IMAGE
    ),
    "pyramid": Kind(_pyramid, _IMAGE),
    "png": Kind(_raster("a.png", RGB), _IMAGE),
    "png, sealed": Kind(_raster("a.png", RGB), _IMAGE, seal=seal_png),
    "png, 16 bits": Kind(_deep_png, _IMAGE, seal=seal_png),
    "jpeg": Kind(_raster("a.jpg", RGB), _IMAGE),
    "bmp": Kind(_raster("a.bmp", RGB), _IMAGE),
    "webp": Kind(_raster("a.webp", [RGB, RGB[::-1].copy()], lossless=True), _IMAGE),
    "gif": Kind(_raster("a.gif", [GRAY, GRAY[::-1].copy()]), _IMAGE),
    "npy": Kind(_npy, _IMAGE),
    "zarr 2": Kind(_zarr(2), _IMAGE),
    "zarr 3": Kind(_zarr(3), _IMAGE),
    "plate": Kind(_plate, _read_plate),
    "record": Kind(_json("a.record.json", _record), _read_record, text=True),
    "preset": Kind(_json("a.json", _preset), _read_preset, text=True),
    "coco": Kind(_json("a.json", _coco), _read_coco, text=True),
    "run folder": Kind(_run_folder, _read_run),
    "points": Kind(_points, _read_points, text=True),
    "choices": Kind(_json("a.json", _choices), _read_choices, text=True),
    "candidates": Kind(_candidates, _read_candidates),
    "candidates, sealed": Kind(_candidates, _read_candidates),
    "safetensors": Kind(_checkpoint("a.safetensors"), _read_checkpoint),
    "checkpoint": Kind(_checkpoint("a.pt"), _read_checkpoint),
    **_formats(),
}


def damage(kind: str, path: Path, random) -> None:
    """Damage a file, or a file of a folder, in place."""
    from mutations import mutate

    one = KINDS[kind]
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        path = random.choice(files)
    content = path.read_bytes()
    if kind == "candidates, sealed":
        path.write_bytes(seal_candidates(content, random))
        return
    text = one.text or path.suffix == ".json" or path.name.startswith(".z")
    content = mutate(content, random, text=text)
    path.write_bytes(content if one.seal is None else one.seal(content))
