"""Files as sources of tiles."""

from __future__ import annotations

import os

import numpy as np
import pytest
import tifffile

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.large.source.source import FileSource
from napari_sam2_automask.large.tiles.grid import Box

WHOLE = Box(0, 0, 20, 30)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_file_that_was_replaced_is_read_anew(tmp_path, compression):
    path, other = tmp_path / "a.tif", tmp_path / "b.tif"
    first = np.full((20, 30), 1, np.uint8)
    tifffile.imwrite(path, first, compression=compression, tile=(16, 16))
    source = FileSource(str(path))
    assert (source.read(0, WHOLE) == 1).all() and source.planes == 1
    tifffile.imwrite(other, np.stack([first + 1] * 5), compression=compression, tile=(16, 16))
    os.replace(other, path)
    assert source.planes == 5 and (source.read(2, WHOLE) == 2).all()
    path.unlink()
    with pytest.raises(ImageError, match=r"there is no file .*a.tif"):
        source.read(0, WHOLE)
