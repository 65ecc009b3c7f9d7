"""What files call their channels, and the names of columns that come of it."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
import zarr

from napari_sam2_automask.files.stack_file import open_stack
from napari_sam2_automask.image.pick import Pick

STACK = np.arange(2 * 8 * 9, dtype=np.uint8).reshape(2, 8, 9)


def ome_tiff(path, names):
    channels = {} if names is None else {"Channel": {"Name": list(names)}}
    tifffile.imwrite(path, STACK, photometric="minisblack", metadata={"axes": "CYX", **channels})
    return path


def ome_zarr(path, names):
    group = zarr.create_group(path)
    group.create_array("0", data=STACK)
    told = {} if names is None else {"omero": {"channels": [{"label": name} for name in names]}}
    axes = [{"name": "c", "type": "channel"}, {"name": "y"}, {"name": "x"}]
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}],
    } | told
    return path


@pytest.mark.parametrize(("kind", "write"), [("a.ome.tif", ome_tiff), ("a.zarr", ome_zarr)])
@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (("DAPI", "GFP, green"), ("DAPI", "GFP, green")),
        (("two\nlines", " b "), ("two lines", "b")),
        (("c1", "c0"), ("c1", "c0")),
        (("GFP", "GFP"), None),
        (("GFP", ""), None),
        (("GFP", "b", "c"), None),
        (None, None),
    ],
)
def test_channels_are_called_as_the_file_calls_them(tmp_path, kind, write, told, expected):
    if write is ome_tiff and told is not None and len(told) == 3:
        told = ("GFP",) * 2  # the writer takes no more names than channels
    stack = open_stack(write(tmp_path / kind, told))
    assert stack.read(Pick(channel="mix")).names == expected
    assert stack.read(Pick(channel=1)).names is None


@pytest.mark.parametrize(
    "omero", [3, {"channels": 3}, {"channels": [3, 4]}, {"channels": [{"label": 3}, {}]}]
)
def test_names_that_are_none_do_no_harm(tmp_path, omero):
    path = ome_zarr(tmp_path / "a.zarr", None)
    group = zarr.open_group(path)
    group.attrs["ome"] = dict(group.attrs["ome"]) | {"omero": omero}
    assert open_stack(path).read(Pick(channel="pool")).names is None
