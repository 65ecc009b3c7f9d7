"""Vendor files through plugins of bioio: which plugin reads a file, and its scenes as images."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from functools import lru_cache, partial
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_sam2_automask.files.axis_names import AxisScale, axis_letters
from napari_sam2_automask.files.gaps import expanded
from napari_sam2_automask.files.stored_image import StoredImage, reading

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint
    from pathlib import Path

__all__ = ["VendorImage", "images_by_bioio", "plugins_for"]

_GROUP = "bioio.readers"
# They read what this package reads itself, and much that is no microscope's.
_GENERAL = ("bioio-imageio", "bioio-tifffile", "bioio-ome-tiff", "bioio-ome-tiled-tiff", "bioio-tiff-glob",
            "bioio-ome-zarr")  # fmt: skip
# Plugins give sizes without a unit. These convert what their files say to micrometres.
_IN_MICROMETRES = ("bioio-czi", "bioio-lif", "bioio-nd2")
# Of a file that was never calibrated the nd2 library says 1.
_ONE_IF_UNKNOWN = ("bioio-nd2",)
_TILES = "M"


class VendorImage(NamedTuple):
    """An image of a vendor file, with the scale of its axes by their letters."""

    image: StoredImage
    scale: dict[str, AxisScale]


def plugins_for(name: str) -> list[EntryPoint]:
    """Return the plugins that read files of such a name, those of fewest formats first."""
    return [plugin for endings, plugin in _installed() if name.lower().endswith(endings)]


@lru_cache(maxsize=1)
def _installed() -> list[tuple[tuple[str, ...], EntryPoint]]:
    """Return the plugins with what names of their files end in.

    Those that cannot be imported are left out, and so are those for images of any kind.
    """
    found = []
    for plugin in entry_points(group=_GROUP):
        if plugin.name.replace("_", "-") in _GENERAL:
            continue
        try:
            endings = plugin.load().ReaderMetadata.get_supported_extensions()
            found.append((tuple(f".{one.lower().lstrip('.')}" for one in endings), plugin))
        except Exception:  # of code that is not ours
            continue
    return sorted(found, key=lambda one: (len(one[0]), one[1].name))


def images_by_bioio(path: Path, plugin: EntryPoint) -> list[VendorImage]:
    """Return the scenes of a file, each of which is an image.

    Tiles of a mosaic are put together where the plugin can do that, else they are positions.

    Raises
    ------
    ImageError
        If the plugin cannot read the file.
    """
    with reading(path, by=plugin.name):
        reader = _reader(path, plugin)
        return [_image(path, plugin, reader, number) for number in range(len(reader.scenes))]


def _reader(path: Path, plugin: EntryPoint) -> Any:
    """Open a file by a plugin; planes by themselves are its pieces if it lets one choose."""
    reader = plugin.load().ReaderMetadata.get_reader()
    try:
        return reader(str(path), chunk_dims=["Y", "X", "S"])
    except TypeError:
        return reader(str(path))


def _image(path: Path, plugin: EntryPoint, reader: Any, scene: int) -> VendorImage:
    first = _Level.of(reader, scene, 0)
    channels = tuple(map(str, _told(reader, "channel_names") or ()))
    scale = _scale(plugin, reader)
    levels = [first, *(_Level.of(reader, scene, level) for level in range(1, len(reader.resolution_levels)))]
    image = StoredImage(
        path,
        [level.shape for level in levels],
        first.dtype,
        partial(_LazyPlanes, path, plugin, scene),
        axis_letters(["P" if name == _TILES else name for name in first.axes]),
        channels=channels,
    )
    return VendorImage(image, scale)


class _Level(NamedTuple):
    """A level of a scene; its pixels by Dask only if the plugin reads no parts itself."""

    axes: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    pixels: Any = None

    @classmethod
    def of(cls, reader: Any, scene: int, level: int) -> _Level:
        """Let a plugin turn to a level of a scene, and say what it is."""
        reader.set_scene(scene)
        if len(reader.resolution_levels) > 1:
            reader.set_resolution_level(reader.resolution_levels[level])
        axes = tuple(map(str, reader.dims.order))
        if _TILES not in axes and _reads_parts(reader):
            return cls(axes, tuple(map(int, reader.dims.shape)), np.dtype(reader.dtype))
        pixels = reader.xarray_dask_data
        if _TILES in axes:
            with suppress(NotImplementedError):
                pixels = reader.mosaic_xarray_dask_data
        shape = tuple(map(int, pixels.shape))
        return cls(tuple(map(str, pixels.dims)), shape, np.dtype(pixels.dtype), pixels.data)


def _reads_parts(reader: Any) -> bool:
    """Tell whether a plugin reads no more than what is asked for: then a graph of all planes can be spared.

    Besides, what bioio-czi 3.0.1 makes for Dask has the samples of RGB mixed up.
    """
    kinds = (kind for kind in type(reader).__mro__ if "_read_indexed" in vars(kind))
    return next((kind.__module__ != "bioio_base.reader" for kind in kinds), False)


class _LazyPlanes:
    """The pixels of a level of a scene: what is sliced is read."""

    def __init__(self, path: Path, plugin: EntryPoint, scene: int, level: int) -> None:
        self._path, self._plugin = path, plugin
        with reading(path, by=plugin.name):
            self._reader = _reader(path, plugin)
            self._axes, self.shape, self.dtype, self._pixels = _Level.of(self._reader, scene, level)
        self.ndim = len(self.shape)

    def __getitem__(self, key: Any) -> Any:
        with reading(self._path, by=self._plugin.name):
            if self._pixels is None:
                return self._part(key)
            # Here and now: not by the cluster on whose worker this may run, which would wait for itself.
            return np.asarray(self._pixels[key].compute(scheduler="synchronous"))

    def _part(self, key: Any) -> Any:
        parts = dict(zip(self._axes, expanded(key, self.ndim), strict=True))
        kept = "".join(axis for axis, part in parts.items() if isinstance(part, slice))
        whole = {axis for axis in kept if axis in "YXS" or parts[axis] == slice(None)}
        places = {
            axis: range(n)[part]
            for (axis, part), n in zip(parts.items(), self.shape, strict=True)
            if axis not in whole
        }
        pixels = self._reader.get_image_data(kept, **places)
        return pixels[tuple(parts[axis] if axis in whole else slice(None) for axis in kept)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.asarray(self[...], dtype)


def _scale(plugin: EntryPoint, reader: Any) -> dict[str, AxisScale]:
    """Return the scale of the axes of which a plugin tells."""
    sizes, told = _told(reader, "physical_pixel_sizes"), _told(reader, "dimension_properties")
    usual = "um" if plugin.name in _IN_MICROMETRES else None
    steps = {axis: getattr(sizes, axis, None) for axis in "ZYX"}
    units = {axis: getattr(getattr(told, axis, None), "unit", None) or usual for axis in "ZYX"}
    if plugin.name in _ONE_IF_UNKNOWN and steps["Y"] == steps["X"] == 1:
        steps = {}
    scale = {axis: AxisScale(step, units[axis]) for axis, step in steps.items() if step is not None}
    interval = _told(reader, "time_interval")
    if isinstance(interval, timedelta):
        scale["T"] = AxisScale(interval.total_seconds(), "s")
    return scale


def _told(reader: Any, what: str) -> Any:
    """Return what a plugin tells of a scene, None where it does not: some raise then, whatever they meet."""
    try:
        return getattr(reader, what)
    except Exception:
        return None
