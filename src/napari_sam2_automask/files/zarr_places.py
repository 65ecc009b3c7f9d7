"""Where the files of a Zarr lie if not in a folder: in a zip file, or at a web address."""

from __future__ import annotations

import shutil
import threading
import zipfile
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.web_address import Address
from napari_sam2_automask.files.zarr_parts import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from napari_sam2_automask.files.zarr_parts import Place

__all__ = ["MARKS", "ZIPPED", "ZipPlace", "is_zipped_zarr", "place_of", "zarrs_in_zip", "zip_of"]

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
    roots: list[str] = []
    for one in sorted(f"{folder}/" for folder in folders):  # right after each those that lie in it
        if not roots or not one.startswith(roots[-1]):
            roots.append(one)
    return roots


def zip_of(path: Path) -> Path | None:
    """Return the file that a path leads to, or into as it would into a folder; None where there is none."""
    for one in (path, *path.parents):
        if one.is_file():
            return one
        if one.exists():
            return None
    return None


class _Archive:
    """A zip file whose list of contents was read, shared by all places in it that are in use."""

    def __init__(self, path: Path) -> None:
        self.lock, self.zip = threading.Lock(), zipfile.ZipFile(path)
        self.infos = {info.filename: info for info in self.zip.infolist() if not info.is_dir()}
        if any(info.flag_bits & 1 for info in self.infos.values()):
            raise ImageError(f"{path} is encrypted: save it without a password")
        self.roots = _roots(self.infos)

    @classmethod
    def of(cls, path: Path) -> _Archive:
        """Return the archive at a path, which is read once as long as anything uses it and it is the same."""
        about = path.stat()
        key = path, about.st_ino, about.st_size, about.st_mtime_ns
        found = _IN_USE.get(key)
        if found is None:
            found = _IN_USE[key] = cls(path)
        return found


_IN_USE: WeakValueDictionary[tuple[Path, int, int, int], _Archive] = WeakValueDictionary()


class ZipPlace:
    """The files of a Zarr in a zip file: of all of it, or of what a path into the file leads to.

    Where one folder of the zip holds all its Zarrs, paths lead into that; where several lie side by side
    their names come first.

    Parameters
    ----------
    path : Path
        The file, or a path into it such as ``plate.ozx/A/1/0``.

    Attributes
    ----------
    file : Path
        The file.
    start : str
        What comes before the keys in the zip; empty, or folders and a slash.
    roots : list of str
        The Zarrs in the zip file that lie in no other, each with a slash; one, empty or not, as a rule.
    comment : bytes
        That of the zip.

    Raises
    ------
    ImageError
        If a part of it is encrypted, or there is no such file.
    """

    def __init__(self, path: Path) -> None:
        file = zip_of(path)
        if file is None:
            raise ImageError(f"there is no file {path}: check the path")
        self.path, self.file, self._archive = path, file, _Archive.of(file)
        self.roots, self.comment = self._archive.roots, self._archive.zip.comment
        inside = "" if path == file else f"{path.relative_to(file).as_posix()}/"
        self.start = (self.roots[0] if len(self.roots) == 1 else "") + inside

    def __reduce__(self) -> tuple[type[ZipPlace], tuple[Path]]:
        return ZipPlace, (self.path,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ZipPlace) and self.path == other.path

    def __hash__(self) -> int:
        return hash(self.path)

    def has(self, key: str) -> bool:
        """Tell whether there is a file."""
        return self.start + key in self._archive.infos

    def read(self, key: str, part: Part | None, most: int) -> bytes | None:
        """Return a file's bytes, see `Place`."""
        info = self._archive.infos.get(self.start + key)
        if info is None:
            return None
        if info.file_size > most:
            raise ImageError(
                f"{self.path} has a file {key} of {info.file_size:,} bytes, far more than belongs there: "
                "replace it, it is damaged or made to fill the memory"
            )
        start, stop = (part or Part(0, None)).of(info.file_size)
        with self._archive.lock, self._archive.zip.open(info) as file:
            if start:
                file.seek(start)
            return file.read(stop - start)

    def open(self, key: str) -> zipfile.ZipExtFile:
        """Open a file that is there."""
        opened: zipfile.ZipExtFile = self._archive.zip.open(self._archive.infos[self.start + key])  # type: ignore[assignment]
        return opened

    def copy(self, new: zipfile.ZipFile, wanted: Callable[[str], bool], but: Collection[str] = ()) -> None:
        """Write the whole zip file into another one, but for keys that are not wanted and some names."""
        for name, info in self._archive.infos.items():
            key = name.removeprefix(self.start) if name.startswith(self.start) else None
            if name not in but and (key is None or wanted(key)):
                to = zipfile.ZipInfo(name, info.date_time)
                to.compress_type, to.external_attr = info.compress_type, info.external_attr
                to.file_size = info.file_size
                with self._archive.zip.open(info) as source, new.open(to, "w") as target:
                    shutil.copyfileobj(source, target)

    def keys(self) -> Collection[str]:
        """Return the keys of all files."""
        names = self._archive.infos
        return [name[len(self.start) :] for name in names if name.startswith(self.start)]

    def close(self) -> None:
        """Let go of the file; it is closed when nothing else uses it."""
        del self._archive


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
    return None if zip_of(path) is None else ZipPlace(path)


def zarrs_in_zip(path: Path) -> list[Path]:
    """Return the Zarrs that lie side by side in a zip file, if there are several; else none.

    Raises
    ------
    ImageError, OSError, zipfile.BadZipFile
        If it is a file and no zip that can be read.
    """
    if isinstance(path, Address) or not path.is_file():
        return []
    roots = ZipPlace(path).roots
    return [path / root for root in roots] if len(roots) > 1 else []


def is_zipped_zarr(path: Path, start: bytes | None = None) -> bool:
    """Tell whether a path leads to a zip of Zarrs, whatever its name, or to a Zarr in one.

    `start` are the first bytes of the file, if known.
    """
    try:
        if start is None:
            file = zip_of(path)
            if file is None:
                return False
            with file.open("rb") as opened:
                start = opened.read(len(_START))
        if not start.startswith(_START):
            return False
        place = ZipPlace(path)
    except ImageError:  # which is a ValueError, too
        return True  # whoever opens it says what is wrong
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return False
    return bool(zarrs_in_zip(path)) or any(place.has(mark) for mark in MARKS)
