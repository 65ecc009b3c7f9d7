"""The folder of a run: what it was asked for, and every result so far, each whole or absent."""

from __future__ import annotations

import datetime
import json
import os
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from napari_sam2_automask.disk.atomic import write_one
from napari_sam2_automask.disk.json_file import read_json
from napari_sam2_automask.disk.leftovers import LEFTOVER
from napari_sam2_automask.disk.output_errors import writing
from napari_sam2_automask.disk.own_files import is_link, remove_own
from napari_sam2_automask.errors import OutputError
from napari_sam2_automask.large.output.checked import pack, read_checked, unpack, write_checked
from napari_sam2_automask.large.output.omezarr import OWN as OWN_LABELS
from napari_sam2_automask.settings.numbers import shown, whole_number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from numpy.typing import NDArray

__all__ = [
    "Results",
    "RunStore",
    "check_run_folder",
    "differences",
    "is_run_folder",
    "read_manifest",
    "read_note",
    "run_folder",
]

_LOCKS = ("lock", "process.lock")
#: What the files of a run are called; nothing else is ever deleted.
_OWN = re.compile(
    r"(manifest|owner|spec|status)\.json|lock|process\.lock|hashes|stop|log\.txt"
    r"|(tiles|seams(-[0-9a-f]{12})?|plan-[0-9a-f]{12}/level\d+)/\d+/\d+|plan-[0-9a-f]{12}/plan"
    rf"|failed/\d+\.json|(labels\.zarr|previous)/({OWN_LABELS.pattern})|(.*/)?{LEFTOVER.pattern}"
)


class Results:
    """The files of a run's results; any process may read and write them.

    Parameters
    ----------
    folder : Path
        The folder of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def path(self, kind: str, index: int) -> Path:
        """Return where a result lies; at most a thousand to a folder."""
        return self.folder / kind / f"{index // 1000:06d}" / f"{index:09d}"

    def read(self, kind: str, index: int) -> dict[str, NDArray[Any]] | None:
        """Return a result's arrays, or None if it is not there or damaged."""
        payload = read_checked(self.path(kind, index))
        return None if payload is None else unpack(payload)

    def write(self, kind: str, index: int, *, durable: bool = True, **arrays: NDArray[Any]) -> None:
        """Write a result; two processes that write the same one do not disturb each other.

        What is cheap to do again need not be `durable`: if a power failure damages it, its checksum says so.
        """
        write_checked(self.path(kind, index), pack(**arrays), durable=durable)

    def has(self, kind: str, index: int) -> bool:
        """Whether a result is there and undamaged."""
        return read_checked(self.path(kind, index)) is not None

    def failures(self) -> dict[int, dict[str, Any]]:
        """Return what is known of the tiles set aside, by tile."""
        found = {}
        for path in sorted((self.folder / "failed").glob("*.json")):
            number = whole_number(path.stem)
            if number is not None:
                found[number] = read_note(path)
        return found

    def set_aside(self, index: int, what: Mapping[str, Any]) -> None:
        """Note that a tile has failed for good."""
        path = self.folder / "failed" / f"{index}.json"
        write_one(path, json.dumps(what, indent=1).encode(), parents=True)


class RunStore(Results):
    """The folder of a run, held by the one process that directs it.

    Use it in a ``with`` block: the lock is held inside it and is gone with the process, however that ends.

    Parameters
    ----------
    output : Path
        Where the finished labels go; the folder lies beside it and has ``.run`` added to its name.
    identity : mapping
        All that the results depend on, as JSON-able values.

    Raises
    ------
    OutputError
        On entering: if another process directs a run on this output, or the folder holds results of another
        run; the message says what differs.
    """

    def __init__(self, output: Path, identity: Mapping[str, Any]) -> None:
        super().__init__(run_folder(output))
        self.output = output
        self.identity = json.loads(json.dumps(identity))
        self._lock = FileLock(self.folder / "lock")

    def __enter__(self) -> Self:
        check_run_folder(self.folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot write beside {self.output}: {error.strerror}") from error
        try:
            # Someone who looks whether the lock is held has it for a moment.
            self._lock.acquire(timeout=1)
        except Timeout:
            raise OutputError(
                f"another run is writing {self.output} ({_owner(self.folder)}); wait for it or "
                "choose another output"
            ) from None
        try:
            self._claim()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def _claim(self) -> None:
        path = self.folder / "manifest.json"
        if path.exists():
            before = read_manifest(self.folder)
            changed = differences(before["identity"], self.identity)
            if changed:
                raise OutputError(
                    f"{self.folder} holds tiles of another run, started {shown(before['started'])}: "
                    f"{'; '.join(changed)}. Choose another output, or delete that folder to start over"
                )
        else:
            manifest = {"format": 1, "started": _now(), "identity": self.identity}
            write_one(path, json.dumps(manifest, indent=1).encode())
        owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": _now()}
        write_one(self.folder / "owner.json", json.dumps(owner).encode())
        self.discard("failed")
        self.sweep()

    def sweep(self) -> None:
        """Remove what a killed process was writing."""
        self._remove(re.compile(rf"(.*/)?{LEFTOVER.pattern}"))

    def discard(self, part: str) -> None:
        """Delete results of a kind, which are of no use any more."""
        self._remove(re.compile(rf"(?={re.escape(part)}/)(?:{_OWN.pattern})"))

    def remove(self) -> None:
        """Delete the run's files, once none of them is needed, and the folder if it holds nothing else."""
        # The manifest goes last: while it is there, the folder is known to be a run's.
        self._remove(re.compile(rf"(?!manifest\.json|lock|process\.lock)(?:{_OWN.pattern})"))
        if all(_is_spare(path) or path.name == "manifest.json" for path in self.folder.iterdir()):
            self._remove(re.compile(r"manifest\.json"))
        self._lock.release()
        # A file that is still open cannot be deleted on Windows: locks that stay do no harm.
        self._remove(re.compile("|".join(_LOCKS)))

    def _remove(self, own: re.Pattern[str]) -> None:
        remove_own(self.folder, own)


def run_folder(output: Path) -> Path:
    """Return the folder in which a run keeps its results until the output is finished."""
    return output.with_name(output.name + ".run")


def check_run_folder(folder: Path) -> None:
    """Make sure that a folder, if it is there, is a run's or empty.

    Raises
    ------
    OutputError
        If it is a link or holds one, or holds files and neither the manifest of a run nor what one was asked.
    """
    remedy = "choose another output, or move it away"
    if not os.path.lexists(folder):
        return
    if is_link(folder) or not folder.is_dir():
        raise OutputError(f"{folder} has the name of the run's own folder and is no folder: {remedy}")
    with writing(folder):
        inside = list(folder.iterdir())
    links = [path.name for path in inside if is_link(path)]
    if links:
        raise OutputError(f"{folder} holds a link ({links[0]}), which no run has made: {remedy}")
    if all(_is_spare(path) for path in inside):
        return
    if not (folder / "manifest.json").exists() and _describes_a_run(folder / "spec.json"):
        return
    read_manifest(folder)


def is_run_folder(folder: Path) -> bool:
    """Tell whether a folder is there and may be a run's, see `check_run_folder`."""
    try:
        check_run_folder(folder)
    except OutputError:
        return False
    return folder.is_dir()


def _is_spare(path: Path) -> bool:
    """Tell whether a file says nothing: a lock, or what a killed process was writing."""
    if LEFTOVER.fullmatch(path.name):
        return True
    return path.name in _LOCKS and path.is_file() and path.stat().st_size == 0


def _describes_a_run(path: Path) -> bool:
    """Tell whether a file says what a run was asked, which a run in the background begins with."""
    try:
        spec = read_note(path)
    except OutputError:
        return False
    return isinstance(spec, dict) and {"image", "output", "settings"} <= spec.keys()


def read_note(path: Path) -> Any:
    """Return what a JSON file of a run says, or raise an OutputError; see `read_json`."""
    return read_json(path, "the folder of a run", OutputError)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a run.

    Raises
    ------
    OutputError
        If the folder has none that can be read.
    """
    remedy = "choose another output, or move that folder away"
    try:
        manifest: dict[str, Any] = read_note(folder / "manifest.json")
    except OutputError as error:
        raise OutputError(
            f"{folder} is not the folder of a run: its manifest cannot be read ({error}); {remedy}"
        ) from error
    if not isinstance(manifest, dict) or not {"format", "started", "identity"} <= manifest.keys():
        raise OutputError(f"{folder} is not the folder of a run: its manifest is another file; {remedy}")
    return manifest


def differences(before: Any, now: Any, name: str = "") -> list[str]:
    """Name what differs between two trees of JSON values."""
    if isinstance(before, dict) and isinstance(now, dict):
        keys = sorted(before.keys() | now.keys())
        found = [differences(before.get(k), now.get(k), f"{name}.{k}" if name else str(k)) for k in keys]
        return [line for lines in found for line in lines]
    return [] if before == now else [f"{name} was {_short(before)}, is now {_short(now)}"]


def _short(value: Any) -> str:
    text = "not set" if value is None else json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _owner(folder: Path) -> str:
    try:
        owner = read_note(folder / "owner.json")
        return f"process {owner['pid']} on {owner['host']}, since {owner['since']}"
    except (OutputError, LookupError, TypeError):
        return "process unknown"
