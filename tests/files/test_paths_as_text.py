"""Whoever takes a path takes it as text, too."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_sam2_automask import batch, evaluation, files, large
from napari_sam2_automask.errors import AutomaskError
from napari_sam2_automask.files.opening import count_series

if TYPE_CHECKING:
    from pathlib import Path

#: Names of arguments that are where something is.
PLACES = {"path", "image", "inputs", "sources", "folder", "out", "output"}
#: What takes a file, with its other arguments.
READERS = {
    "every_plane": (), "open_file": (), "open_stack": (), "pixel_size_of": (), "read_image": (),
    "read_cellpose": (), "read_geojson": (), "read_rois": (), "read_yolo": ((4, 5),),
}  # fmt: skip


@pytest.mark.parametrize("room", [batch, evaluation, files, large, large.background])
def test_every_public_function_says_so(room):
    names = getattr(room, "__all__", [name for name in dir(room) if not name.startswith("_")])
    for name in names:
        made = getattr(room, name)
        if not inspect.isfunction(made) or name == "main":
            continue
        for argument in inspect.signature(made).parameters.values():
            told = str(argument.annotation)
            if argument.name in PLACES and "Path" in told and "str" not in told:
                raise AssertionError(f"{room.__name__}.{name} takes {argument.name} as {told} only")


@pytest.mark.parametrize("name", READERS)
def test_it_reads_the_same(tmp_path, name):
    path = tmp_path / "a.tif"
    planes = np.random.default_rng(0).integers(0, 255, (3, 8, 9), np.uint8)
    tifffile.imwrite(path, planes, imagej=True, metadata={"axes": "ZYX"}, resolution=(2, 2))
    read = getattr(files, name)

    def told(given: str | Path) -> str:
        try:
            found = read(given, *READERS[name])
            found = list(found) if name == "every_plane" else found
            return repr(
                [np.asarray(one.array).sum() for one in found] if isinstance(found, list) else type(found)
            )
        except AutomaskError as error:
            return str(error)

    assert told(str(path)) == told(path)
    assert told(str(tmp_path / "none.tif")) == told(tmp_path / "none.tif")
    assert "object has no attribute" not in told(str(path))


def test_so_do_folders_labels_and_runs(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((4, 5), np.uint8))
    assert batch.find_images([str(path)]) == batch.find_images([path]) == ([path], {})
    (job,) = batch.plan([str(path)], str(tmp_path)).stacks
    assert job.source == path
    assert count_series(str(path)) == 1
    batch.write_summary(str(tmp_path / "s.csv"), [], {})
    assert (tmp_path / "s.csv").is_file()
    with pytest.raises(AutomaskError, match=r"none\.zarr"):
        large.open_levels(str(tmp_path / "none.zarr"))
    with pytest.raises(AutomaskError, match=r"none\.zarr"):
        files.write_zarr_labels(str(tmp_path / "none.zarr"), np.zeros((4, 5), int))
    assert large.background.status(str(tmp_path / "none.zarr")).state == "unknown"
