"""Zarrs of strangers: what they are made of is checked before a chunk is decoded, so that none runs code."""

from __future__ import annotations

import asyncio
import math
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from zarr.abc.store import RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import LocalStore

from napari_sam2_automask.disk.json_file import LIMIT
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.stored_image import LARGEST_PIECE, check_pixels
from napari_sam2_automask.files.zarr_bounds import Bound, check_codec
from napari_sam2_automask.files.zarr_parts import Part, Place
from napari_sam2_automask.files.zarr_places import place_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

__all__ = ["PlaceStore", "array_of", "check_array", "open_zarr"]

_MOST_CHUNKS_IN_SHARD = 2**24
_METADATA = ("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata")


def open_zarr(path: Path) -> Any:
    """Open a Zarr group, or an array that is safe to read: a folder, a zip, or what lies at a web address.

    Raises
    ------
    ImageError
        As for `check_array`. A damaged one raises whatever zarr raises.
    """
    import zarr

    place = place_of(path)
    store: Store = _FolderStore(path, read_only=True) if place is None else PlaceStore(place)
    node: Any = zarr.open(store, mode="r")
    return check_array(node, path) if isinstance(node, zarr.Array) else node


def array_of(group: Any, name: Any, path: Path) -> Any:
    """Return an array of a group; raises what `open_zarr` raises, the group being that at `path`."""
    import zarr

    node = group[str(name)]
    if not isinstance(node, zarr.Array):
        raise ImageError(f"{path / str(name)} is no Zarr array: check the path")
    return check_array(node, path / str(name))


def check_array(array: Any, path: Path) -> Any:
    """Return a Zarr array if it is safe to decode its chunks; they are bounded when they are read.

    Parameters
    ----------
    array : zarr.Array
        The array.
    path : Path
        What to call it.

    Raises
    ------
    ImageError
        If its pixels are no numbers; a codec is not known to be harmless; or it or its chunks are too large.
    """
    check_pixels(path, array.shape, array.dtype)
    metadata = array.metadata.to_dict()
    if array.metadata.zarr_format == 2:
        codecs = [*(metadata["filters"] or ()), *([metadata["compressor"]] if metadata["compressor"] else ())]
    else:
        codecs = list(metadata["codecs"])
    for codec in codecs:
        check_codec(codec, path)
    shard = getattr(array, "shards", None)
    inner = math.prod(n // m for n, m in zip(shard, array.chunks, strict=True)) if shard else 0
    size = math.prod(array.chunks) * np.dtype(array.dtype).itemsize
    if not 0 < size <= LARGEST_PIECE or inner > _MOST_CHUNKS_IN_SHARD:
        raise ImageError(
            f"{path} is stored in chunks of {'x'.join(map(str, array.chunks))} pixels, which do not fit into "
            "memory: save it in smaller chunks"
        )
    if isinstance(array.store, _Bounded):
        array.store.bounds[array.path] = Bound.of(path, codecs, size, inner)
    return array


class _Bounded:
    """What a store may give of the arrays in it that were checked."""

    bounds: dict[str, Bound]

    def bound_of(self, key: str) -> Bound | None:
        """Return what bounds a file of chunks; None of any other file."""
        found = [bound for path, bound in self.bounds.items() if key.startswith(f"{path}/" if path else "")]
        return found[0] if found and not key.endswith(_METADATA) else None

    def checked(self, key: str, data: Any, byte_range: Any) -> Any:
        """Return what was read if it is decoded to no more than it may be."""
        bound = self.bound_of(key)
        if data is None or bound is None:
            return data
        if bound.shard and (byte_range is None or bound.is_index(byte_range)):
            bound.check_index(len(data))
        if not bound.is_index(byte_range):
            bound.check(np.frombuffer(data.as_numpy_array(), np.uint8), whole=byte_range is None)
        return data


class _FolderStore(_Bounded, LocalStore):
    """A folder of regular files, none of which is larger or decoded to more than it may be."""

    def __init__(self, root: Path | str, *, read_only: bool = False) -> None:
        super().__init__(root, read_only=read_only)
        self.bounds = {}

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
        """Return the bytes of a file, or a part of them; None if there is no such file."""
        with suppress(FileNotFoundError, NotADirectoryError):
            about = (self.root / key).stat()
            if not stat.S_ISREG(about.st_mode) and not stat.S_ISDIR(about.st_mode):
                raise ImageError(f"{self.root / key} is no regular file: replace it")
            if (bound := self.bound_of(key)) is not None:
                bound.check_size(about.st_size)
        return self.checked(key, await super().get(key, prototype, byte_range), byte_range)


class PlaceStore(_Bounded, Store):
    """The files of a Zarr that lie in no folder, to be read only."""

    def __init__(self, place: Place) -> None:
        super().__init__(read_only=True)
        self.place, self.bounds = place, {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PlaceStore) and self.place == other.place

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
        """Return the bytes of a file, or a part of them; None if there is no such file."""
        bound = self.bound_of(key)
        most = LIMIT if bound is None else bound.most_stored
        told = await asyncio.to_thread(self.place.read, key, _part(byte_range), most)
        buffer = (prototype or default_buffer_prototype()).buffer
        return self.checked(key, None if told is None else buffer.from_bytes(told), byte_range)

    async def get_partial_values(self, prototype: Any, key_ranges: Iterable[Any]) -> list[Any]:
        """Return parts of files."""
        return [await self.get(key, prototype, byte_range) for key, byte_range in key_ranges]

    async def exists(self, key: str) -> bool:
        """Tell whether there is a file."""
        return await asyncio.to_thread(self.place.read, key, Part(0, 1), LIMIT) is not None

    supports_writes: bool = False
    supports_deletes: bool = False

    @property
    def supports_listing(self) -> bool:
        """Whether it is known which files there are."""
        return self.place.keys() is not None

    async def set(self, key: str, value: Any) -> None:
        """Refuse to write."""
        raise NotImplementedError

    async def delete(self, key: str) -> None:
        """Refuse to delete."""
        raise NotImplementedError

    async def list(self) -> AsyncIterator[str]:
        """Go through all files."""
        for key in self.place.keys() or ():
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Go through the files whose names start so."""
        for key in self.place.keys() or ():
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Go through what lies directly in a folder."""
        start = f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""
        inside = (key[len(start) :] for key in self.place.keys() or () if key.startswith(start))
        for name in dict.fromkeys(key.split("/")[0] for key in inside):
            yield name


def _part(byte_range: Any) -> Part | None:
    if byte_range is None:
        return None
    if isinstance(byte_range, RangeByteRequest):
        return Part(byte_range.start, byte_range.end)
    if isinstance(byte_range, SuffixByteRequest):
        return Part(-byte_range.suffix, None)
    return Part(byte_range.offset, None)
