"""The files of an OME-TIFF set: found by name and by UUID, in the folder of the one that is read."""

from __future__ import annotations

import re
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["OmeFiles", "Reference", "beside"]

#: What a TIFF says its own UUID is.
_OWN_UUID = re.compile(r"""<(?:\w+:)?OME\b[^>]*?\bUUID\s*=\s*["']([^"']+)["']""")
_HEAD = 2**16
# More files are not searched for one that was renamed.
_MOST_FILES = 2000

#: The UUID and the name by which OME-XML speaks of a file; either may be empty.
Reference = tuple[str, str]


class OmeFiles:
    """Which file is meant by each reference of the OME-XML of a set.

    Parameters
    ----------
    path : Path
        The file that is read.
    own_uuid : str
        What it says its own UUID is; empty if it says none.
    references : iterable of (str, str)
        All references that there are.
    """

    def __init__(self, path: Path, own_uuid: str, references: Iterable[Reference]) -> None:
        self._path = path
        self._every = every = set(references)
        uuids = [uuid for uuid, _ in every]
        self._uuids = set(uuids)
        # Some programs write one UUID for all files.
        self._shared = {uuid for uuid in uuids if uuids.count(uuid) > 1}
        self._own_uuid = own_uuid
        self._only = len(every) == 1 and not own_uuid
        self._found = {reference: self._find(*reference) for reference in every}

    def __getitem__(self, reference: Reference) -> Path | None:
        """Return the file: the very path that is read for itself, None for one that is not there."""
        return self._found[reference]

    @property
    def paths(self) -> set[Path]:
        """All files of the set that are there."""
        return {self._path, *filter(None, self._found.values())}

    def _find(self, uuid: str, name: str) -> Path | None:
        last = _last_part(name)
        path = self._path if last.lower() == self._path.name.lower() else beside(self._path, name)
        told = self._uuid_in(path) if path is not None else ""
        # A path that leads out of the folder is no more than a hint at the name.
        if path is not None and ((uuid and told == uuid) or (last == name and "" in (uuid, told))):
            return path
        if uuid and uuid not in self._shared:
            renamed = self._path if uuid == self._own_uuid else self._others.get(uuid)
            if renamed is not None and not self._is_known_by_name(renamed, uuid):
                return renamed
        # Some programs write the UUID of one file into all of them.
        if path is not None and last == name and told in self._uuids:
            return path
        return self._path if self._only and path is None else None

    def _uuid_in(self, path: Path) -> str:
        return self._own_uuid if path == self._path else _uuid_in(path)

    def _is_known_by_name(self, path: Path, uuid: str) -> bool:
        """Tell whether a file has the name of another member, of which no file says that it is the one."""
        named = {one for one, name in self._every if _last_part(name).lower() == path.name.lower()}
        return any(one not in self._others and one != self._own_uuid for one in named - {uuid})

    @cached_property
    def _others(self) -> dict[str, Path]:
        return _by_uuid(self._path)


def beside(path: Path, name: str) -> Path | None:
    """Return the regular file of a name in the folder of another, None if there is none.

    Of a name with folders in it the last part counts: nothing outside of the folder is ever read.
    """
    last = _last_part(name)
    if last in ("", ".", "..") or "\0" in last:
        return None
    found = path.parent / last
    try:
        return found if found.is_file() else None
    except OSError:
        return None


def _last_part(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name


def _uuid_in(path: Path) -> str:
    try:
        told = path.stat()
    except OSError:
        return ""
    return _uuid_of(path, told.st_mtime_ns, told.st_size)


@lru_cache(maxsize=2 * _MOST_FILES)
def _uuid_of(path: Path, _modified: int, _size: int) -> str:
    """Return what a TIFF in a certain state says its UUID is; empty if it says none or is none."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            tag = tiff.pages.first.tags.get("ImageDescription")
            if tag is None:
                return ""
            tiff.filehandle.seek(tag.valueoffset)
            head = tiff.filehandle.read(min(_HEAD, tag.valuebytecount)).decode("utf-8", "replace")
    except Exception:  # whoever reads the file says what is wrong with it
        return ""
    found = _OWN_UUID.search(head)
    return found[1] if found else ""


def _by_uuid(path: Path) -> dict[str, Path]:
    """Return the other TIFFs in a folder by their UUID: members of a set may have been renamed."""
    try:
        others = sorted(one for one in path.parent.iterdir() if ".tif" in one.name.lower() and one != path)
        others = [one for one in others[:_MOST_FILES] if one.is_file()]
    except OSError:
        return {}
    return {uuid: one for one in reversed(others) if (uuid := _uuid_in(one))}
