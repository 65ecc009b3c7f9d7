"""A plugin of bioio that takes the place of a real one: it reads arrays behind a vendor's first bytes."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from types import SimpleNamespace

import dask.array as da
import numpy as np

START = b"ZISRAWFILE"
#: What was read of files: the scene, and how many pixels.
READ: list[tuple[int, int]] = []


def write_czi(path, *scenes, **told):
    """Write a file of which this plugin knows the scenes, each an array with the names of its axes."""
    content = io.BytesIO()
    arrays = {f"scene{k}": array for k, (array, _) in enumerate(scenes)}
    np.savez(content, told=json.dumps({"axes": [axes for _, axes in scenes], **told}), **arrays)
    path.write_bytes(START + content.getvalue())
    return path


class ReaderMetadata:
    @staticmethod
    def get_supported_extensions():
        return ["czi", ".ND2"]

    @staticmethod
    def get_reader():
        return Reader


class Reader:
    """As bioio has it, but for what needs xarray."""

    def __init__(self, image, chunk_dims=None):
        with open(image, "rb") as file:
            if file.read(len(START)) != START:
                raise ValueError("bad magic number\nand more")
            self._arrays = dict(np.load(io.BytesIO(file.read()), allow_pickle=False))
        self._told = json.loads(str(self._arrays["told"]))
        self.scenes = tuple(f"scene {k}" for k in range(len(self._told["axes"])))
        self.resolution_levels = tuple(range(self._told.get("levels", 1)))
        self._scene = self._level = 0

    def set_scene(self, scene):
        self._scene, self._level = scene, 0

    def set_resolution_level(self, level):
        self._level = level

    @property
    def _pixels(self):
        step = slice(None, None, 2**self._level)
        key = tuple(step if axis in "YX" else slice(None) for axis in self._axes)
        return self._arrays[f"scene{self._scene}"][key]

    @property
    def _axes(self):
        return self._told["axes"][self._scene]

    @property
    def dims(self):
        return SimpleNamespace(order="".join(self._axes), shape=self._pixels.shape)

    @property
    def xarray_dask_data(self):
        pixels, scene = self._pixels, self._scene

        def read(block_info=None):
            where = tuple(slice(*place) for place in block_info[None]["array-location"])
            READ.append((scene, pixels[where].size))
            if self._told.get("broken"):
                raise RuntimeError("chunk 7 is broken")
            return pixels[where]

        chunks = [n if axis in "YXS" else (1,) * n for n, axis in zip(pixels.shape, self._axes, strict=True)]
        lazy = da.map_blocks(read, chunks=da.core.normalize_chunks(chunks, pixels.shape), dtype=pixels.dtype)
        return SimpleNamespace(data=lazy, dims=tuple(self._axes), shape=pixels.shape, dtype=pixels.dtype)

    @property
    def mosaic_xarray_dask_data(self):
        raise NotImplementedError

    @property
    def channel_names(self):
        if self._told.get("silent"):
            raise KeyError("no channels")
        return self._told.get("channels")

    @property
    def physical_pixel_sizes(self):
        if self._told.get("silent"):
            raise KeyError("no scaling")
        return SimpleNamespace(**dict(zip("ZYX", self._told.get("size", (None, None, None)), strict=True)))

    @property
    def dimension_properties(self):
        return SimpleNamespace(**{axis: SimpleNamespace(unit=self._told.get("unit")) for axis in "ZYX"})

    @property
    def time_interval(self):
        return timedelta(seconds=self._told["seconds"]) if "seconds" in self._told else None


class PartsReader(Reader):
    """One that reads no more than it is asked for."""

    @property
    def dtype(self):
        return self._pixels.dtype

    @property
    def xarray_dask_data(self):
        raise AssertionError("parts are read without Dask")

    def _read_indexed(self, given_dims, dim_specs):
        raise NotImplementedError

    def get_image_data(self, dimension_order_out=None, **places):
        pixels = self._pixels
        for axis in reversed(self._axes):
            if axis in places:
                place, at = places[axis], self._axes.index(axis)
                pixels = np.take(pixels, place if isinstance(place, int) else list(place), axis=at)
        READ.append((self._scene, pixels.size))
        assert dimension_order_out == "".join(a for a in self._axes if not isinstance(places.get(a), int))
        return pixels
