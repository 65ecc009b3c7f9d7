"""Where the files of a Zarr lie if not in a folder: in a zip file, or at a web address."""

from __future__ import annotations

import shutil
import threading
import zipfile
from typing import TYPE_CHECKING

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.web_address import Address
from napari_sam2_automask.files.zarr_parts import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from napari_sam2_automask.files.zarr_parts import Place

__all__ = ["MARKS", "ZIPPED", "ZipPlace", "is_zipped_zarr", "place_of"]

#: Files of which a Zarr has one at least.
MARKS = ("zarr.json", ".zgroup", ".zarray", ".zattrs")
#: What the names of zipped OME-Zarrs end in.
ZIPPED = (".zarr.zip", ".ozx")
_START = b"PK\x03\x04"


def _roots(names: Collection[str]) -> list[str]:
    """Return the folders of the Zarrs in a zip that lie in no other, each with a slash; else one empty."""
    folders = {name.rpartition("/")[0] for name in names if name.rpartition("/")[2] in MARKS}
    if not folders or "" in folders:
        return [""]
    inner = {one for one in folders for above in _above(one) if above in folders}
    return [f"{one}/" for one in sorted(folders - inner)]


def _above(folder: str) -> list[str]:
    """Return the folders that a folder lies in."""
    parts = folder.split("/")
    return ["/".join(parts[:k]) for k in range(1, len(parts))]


class ZipPlace:
    """A zip file of a Zarr, whose root is that of the zip or the only folder in it that is one.

    Parameters
    ----------
    path : Path
        The file.

    Attributes
    ----------
    start : str
        What comes before the keys in the zip; empty, or a folder and a slash.
    comment : bytes
        That of the zip.

    Raises
    ------
    ImageError
        If a part of it is encrypted, or it holds several Zarrs.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._lock = path, threading.Lock()
        self._zip = zipfile.ZipFile(path)
        infos = [info for info in self._zip.infolist() if not info.is_dir()]
        if any(info.flag_bits & 1 for info in infos):
            raise ImageError(f"{path} is encrypted: save it without a password")
        start, *others = _roots({info.filename for info in infos})
        if others:
            raise ImageError(
                f"{path} holds {1 + len(others):,} Zarrs in one zip file ({start.rstrip('/')}, ...): unpack "
                "it, or zip each by itself"
            )
        self.start, self.comment = start, self._zip.comment
        self._infos = {info.filename[len(start) :]: info for info in infos if info.filename.startswith(start)}

    def __reduce__(self) -> tuple[type[ZipPlace], tuple[Path]]:
        return ZipPlace, (self.path,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ZipPlace) and self.path == other.path

    def __hash__(self) -> int:
        return hash(self.path)

    def read(self, key: str, part: Part | None, most: int) -> bytes | None:
        """Return a file's bytes, see `Place`."""
        info = self._infos.get(key)
        if info is None:
            return None
        if info.file_size > most:
            raise ImageError(
                f"{self.path} has a file {key} of {info.file_size:,} bytes, far more than belongs there: "
                "replace it, it is damaged or made to fill the memory"
            )
        start, stop = (part or Part(0, None)).of(info.file_size)
        with self._lock, self._zip.open(info) as file:
            if start:
                file.seek(start)
            return file.read(stop - start)

    def open(self, key: str) -> zipfile.ZipExtFile:
        """Open a file that is there."""
        opened: zipfile.ZipExtFile = self._zip.open(self._infos[key])  # type: ignore[assignment]
        return opened

    def copy(self, new: zipfile.ZipFile, wanted: Callable[[str], bool], but: Collection[str] = ()) -> None:
        """Write the files whose keys are wanted into another zip, except those of some names."""
        for key, info in self._infos.items():
            if wanted(key) and info.filename not in but:
                to = zipfile.ZipInfo(info.filename, info.date_time)
                to.compress_type, to.external_attr = info.compress_type, info.external_attr
                to.file_size = info.file_size
                with self._zip.open(info) as source, new.open(to, "w") as target:
                    shutil.copyfileobj(source, target)

    def keys(self) -> Collection[str]:
        """Return the keys of all files."""
        return self._infos.keys()

    def close(self) -> None:
        """Close the file."""
        self._zip.close()


def place_of(path: Path) -> Place | None:
    """Return where the files of a Zarr lie; None if in a folder.

    Raises
    ------
    ImageError
        If the address or the zip file cannot be.
    """
    if isinstance(path, Address):
        from napari_sam2_automask.files.web_place import WebPlace

        return WebPlace(path)
    return ZipPlace(path) if path.is_file() else None


def is_zipped_zarr(path: Path, start: bytes | None = None) -> bool:
    """Tell whether a file is a zip of a Zarr, whatever its name; `start` are its first bytes, if known."""
    try:
        if start is None:
            if not path.is_file():
                return False
            with path.open("rb") as file:
                start = file.read(len(_START))
        if not start.startswith(_START):
            return False
        place = ZipPlace(path)
    except ImageError:  # which is a ValueError, too
        return True  # whoever opens it says what is wrong
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return False
    try:
        return bool(set(MARKS) & set(place.keys()))
    finally:
        place.close()
