"""What chunks of a Zarr may be decoded to, and by what: from its description, before one is decoded."""

from __future__ import annotations

import bz2
import lzma
import zlib
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["Bound", "check_codec"]

_COMPRESSORS = frozenset({"blosc", "zlib", "gzip", "bz2", "lz4", "zstd", "lzma"})
# All others are refused: pickle runs what a chunk says, and what else may be installed nobody knows.
_HARMLESS = _COMPRESSORS | {
    "bytes", "endian", "transpose", "sharding_indexed", "shuffle", "delta", "packbits", "bitround",
    "quantize", "fixedscaleoffset", "astype", "crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3",
}  # fmt: skip
_TYPES_OF_CODECS = ("dtype", "astype", "encode_dtype", "decode_dtype")
_STEP, _MOST_STREAMS = 2**20, 1000


def _name(codec: Mapping[str, Any]) -> str:
    return str(codec.get("id", codec.get("name", ""))).removeprefix("numcodecs.").lower()


def _inner(codec: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = codec.get("configuration", {}).get("codecs", ())
    return found


def check_codec(codec: Mapping[str, Any], path: Path) -> None:
    """Refuse a codec that could do more than to turn bytes into numbers."""
    details = codec.get("configuration", codec)
    for one in (*_inner(codec), *details.get("index_codecs", ())):
        check_codec(one, path)
    types = [details[key] for key in _TYPES_OF_CODECS if details.get(key) is not None]
    if _name(codec) not in _HARMLESS or any(np.dtype(one).kind not in "biuf" for one in types):
        raise ImageError(
            f"{path} is stored with the codec {_name(codec)!r}, which is not known to be safe: save it anew, "
            "compressed with blosc, zstd or gzip"
        )


@dataclass(frozen=True)
class Bound:
    """What the stored chunks of an array may be decoded to.

    Attributes
    ----------
    path : Path
        The array.
    compressor : mapping or None
        The only one.
    most : int
        Bytes of a chunk. Filters may make eight bytes of one.
    shard : int
        How many chunks there are in a file; 0 without shards.
    index : slice
        Where in a shard is told where its chunks are.
    """

    path: Path
    compressor: Mapping[str, Any] | None
    most: int
    shard: int
    index: slice

    @classmethod
    def of(cls, path: Path, codecs: Sequence[Mapping[str, Any]], size: int, shard: int) -> Bound:
        """Return the bound of an array by its codecs, the bytes of a chunk, and how many are in a shard."""
        flat = [*codecs, *(inner for codec in codecs for inner in _inner(codec))]
        found = [codec for codec in flat if _name(codec) in _COMPRESSORS]
        sharded = [codec["configuration"] for codec in flat if _name(codec) == "sharding_indexed"]
        names = [_name(one) for one in sharded[0]["index_codecs"]] if sharded else []
        if len(found) > 1 or len(sharded) > 1 or (sharded and len(codecs) > 1) or set(names) & _COMPRESSORS:
            raise ImageError(f"{path} is compressed or sharded twice: save it anew, compressed once")
        start: int = 0
        tail: int | None = 16 * shard
        if sharded and sharded[0].get("index_location", "end") == "end":
            start = -16 * shard - 4 * names.count("crc32c")
            tail = start + 16 * shard or None
        return cls(path, found[0] if found else None, 8 * size + 2**20, shard, slice(start, tail))

    def is_index(self, part: Any) -> bool:
        """Tell whether a part of a shard that is read tells where its chunks are."""
        at_start = self.index.start == 0 and getattr(part, "start", None) == 0
        return bool(self.shard) and (hasattr(part, "suffix") or at_start)

    @property
    def most_stored(self) -> int:
        """How many bytes a file of chunks may have."""
        return self.most * max(1, self.shard)

    def check_size(self, size: int) -> None:
        """Refuse a file that is larger than what it holds."""
        if size > self.most_stored:
            raise self._too_large()

    def check_index(self, size: int) -> None:
        """Refuse a shard, or what was read of one, that ends before it tells where its chunks are."""
        if size < (self.index.stop if self.index.start == 0 else -self.index.start):
            raise ImageError(f"{self.path} has a shard that is cut off: replace the file, it is damaged")

    def check(self, stored: NDArray[np.uint8], whole: bool) -> None:
        """Refuse a chunk, or all chunks of a whole shard, that would be decoded to more than a chunk."""
        if self.compressor is None:
            return
        chunks = [stored]
        if whole and self.shard:
            places = np.ascontiguousarray(stored[self.index]).view("<u8").reshape(-1, 2).tolist()
            chunks = [stored[start : start + size] for start, size in places if start + size <= len(stored)]
        for chunk in chunks:
            if _decoded_size(self.compressor, chunk.tobytes(), self.most) > self.most:
                raise self._too_large()

    def _too_large(self) -> ImageError:
        return ImageError(
            f"{self.path} has a chunk that would be decoded to far more than its pixels: replace the file, "
            "it is damaged or made to fill the memory"
        )


def _decoded_size(compressor: Mapping[str, Any], stored: bytes, most: int) -> int:
    """Return how many bytes a chunk would be decoded to, counted until it is more than `most`."""
    details, name = compressor.get("configuration", compressor), _name(compressor)
    if name in ("blosc", "lz4"):
        return int.from_bytes(stored[4:8] if name == "blosc" else stored[:4], "little")
    if name == "zstd":
        return _size_of_zstd(stored, most)
    decoders: dict[str, Callable[[], Any]] = {
        "zlib": zlib.decompressobj,
        "gzip": lambda: zlib.decompressobj(31),
        "bz2": bz2.BZ2Decompressor,
        "lzma": lambda: lzma.LZMADecompressor(details.get("format", 1), filters=details.get("filters")),
    }
    size = 0
    with suppress(
        zlib.error, lzma.LZMAError, OSError, EOFError
    ):  # whoever decodes it says that it is damaged
        for _ in range(_MOST_STREAMS):  # one may follow another
            decoder, left = decoders[name](), stored
            while not decoder.eof:
                got = len(decoder.decompress(left, _STEP))
                left, size = getattr(decoder, "unconsumed_tail", b""), size + got
                if size > most or not (got or left):
                    return size
            if not (stored := decoder.unused_data):
                return size
        return most + 1
    return size


def _size_of_zstd(stored: bytes, most: int) -> int:
    """Return the size of a frame as its head tells it; it is decoded where the head does not."""
    kind = stored[4] if stored[:4] == b"\x28\xb5\x2f\xfd" and len(stored) > 4 else 0
    single, wide = bool(kind & 32), kind >> 6
    if wide or single:
        start = 5 + (not single) + (0, 1, 2, 4)[kind & 3]
        return int.from_bytes(stored[start : start + (1, 2, 4, 8)[wide]], "little") + 256 * (wide == 1)
    import imagecodecs

    try:
        return len(imagecodecs.zstd_decode(stored, out=most))
    except imagecodecs.ZstdError:  # damaged, or more
        return most + 1
