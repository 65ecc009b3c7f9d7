"""A large run in a process of its own: started, watched, left alone, stopped, and picked up again."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from filelock import FileLock, Timeout

from napari_sam2_automask.disk.atomic import write_one
from napari_sam2_automask.errors import AutomaskError, OutputError, SettingsError
from napari_sam2_automask.large.output.omezarr import RECORD
from napari_sam2_automask.large.output.publish import check_output
from napari_sam2_automask.large.output.run_folder import Results, is_run_folder, read_note, run_folder
from napari_sam2_automask.large.spec import LargeSpec
from napari_sam2_automask.progress import Cancelled, Progress
from napari_sam2_automask.selection.familiarity import UNFAMILIAR
from napari_sam2_automask.settings.numbers import COUNT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam2_automask.large.run import LargeResult

__all__ = ["Status", "main", "resume", "start", "status", "stop"]

# How often the process writes how far it is, in seconds.
_EVERY = 0.5
# Who looks whether a lock is held has it for a moment; that is no other run.
_PATIENCE = 2.0
# The processes started from here; looked at now and then, so that those that ended leave nothing behind.
_children: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True, slots=True)
class Status:
    """How a run is doing.

    Attributes
    ----------
    state : {"running", "stopped", "failed", "finished", "unknown"}
        ``"stopped"`` is a run that was stopped, killed or lost its machine: `resume` goes on with it.
        ``"unknown"`` means that there is no such run.
    stage : str
        ``"signature"``, ``"tiles"``, ``"seams"``, ``"labels"`` or ``"pyramid"``.
    done, total : int
        Of that stage.
    message : str
        Why it failed; or how many objects there are, whether the image is unlike what the model knows, and
        how many tiles were set aside.
    """

    state: Literal["running", "stopped", "failed", "finished", "unknown"]
    stage: str = ""
    done: int = 0
    total: int = 0
    message: str = ""


def start(spec: LargeSpec) -> int:
    """Start a run in a process of its own, which goes on when this one ends.

    Returns when the process is up, after a second or two.

    Parameters
    ----------
    spec : LargeSpec
        The run. If some of it is done already, that is not done again.

    Returns
    -------
    int
        The number of the process.

    Raises
    ------
    OutputError
        If such a run goes on already or its folder cannot be written.
    """
    output = Path(spec.output).absolute()
    folder = run_folder(output)
    check_output(output)
    if status(output).state == "running":
        raise OutputError(
            f"a run that writes {output} is under way already; watch that one, or stop it first"
        )
    write_one(folder / "spec.json", json.dumps(spec.to_json(), indent=1).encode(), parents=True)
    for old in ("status.json", "stop"):
        (folder / old).unlink(missing_ok=True)
    # -P: no module is looked for in the folder that this is started in, which may hold anybody's images.
    command = [sys.executable, "-P", "-m", "napari_sam2_automask.large", str(folder / "spec.json")]
    # A session of its own: closing the terminal or the viewer does not reach it.
    own: dict[str, Any] = {"creationflags": 0x00000208} if os.name == "nt" else {"start_new_session": True}
    with (folder / "log.txt").open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **own)
    _children.append(process)
    # Until the process holds its lock, nobody could tell it from one that was killed.
    while not _locked(folder) and process.poll() is None:
        time.sleep(0.05)
    return int(process.pid)


def resume(output: str | Path) -> int:
    """Go on with a run that was stopped, with the settings it was started with; see `start`."""
    path = run_folder(Path(output).absolute()) / "spec.json"
    try:
        spec = LargeSpec.from_json(read_note(path))
    except (OSError, ValueError) as error:
        raise OutputError(f"there is no run to go on with at {output}: {error}") from error
    return start(spec)


def status(output: str | Path) -> Status:
    """Return how the run that writes an output is doing; any process may ask, at any time."""
    _children[:] = [child for child in _children if child.poll() is None]
    output = Path(output).absolute()
    folder = run_folder(output)
    is_run = is_run_folder(folder)
    note = _noted(folder) if is_run else {}
    counted = _counted(note)
    if is_run and _locked(folder):
        return Status("running", **counted)
    if note.get("error"):
        return Status("failed", message=str(note["error"]), **counted)
    if output.exists():
        failed = len(Results(folder).failures()) if is_run else 0
        told = [*_outcome(output), f"{failed} tiles were set aside" if failed else ""]
        return Status("finished", message=", ".join(filter(None, told)))
    return Status("stopped", **counted) if is_run and (folder / "spec.json").exists() else Status("unknown")


def stop(output: str | Path) -> None:
    """Ask a run to stop after what it is doing; what is finished is kept."""
    folder = run_folder(Path(output).absolute())
    if is_run_folder(folder):
        write_one(folder / "stop", b"")


def main(path: Path) -> LargeResult:
    """Do the run that a file describes, leaving notes for `status` on the way.

    Raises
    ------
    AutomaskError
        If it fails; the reason is noted too.
    """
    spec = LargeSpec.from_json(read_note(path))
    folder = run_folder(Path(spec.output).absolute())
    last: dict[str, Any] = {}

    def note(progress: Progress) -> None:
        now = time.monotonic()
        if progress.stage != last.get("stage") or now - last["time"] >= _EVERY:
            last.update(stage=progress.stage, done=progress.done, total=progress.total, time=now)
            _write(folder, last)
            if (folder / "stop").exists():
                raise Cancelled

    # Held from the first moment, long before the run takes its own lock: someone may look at once.
    try:
        with FileLock(folder / "process.lock", timeout=_PATIENCE):
            return spec.run(note)
    except Timeout:
        raise OutputError(f"a run that writes {spec.output} is under way already") from None
    except AutomaskError as error:
        _write(folder, last | {"error": str(error)})
        raise


def _noted(folder: Path) -> dict[str, Any]:
    """Return what the process has noted of how far it is; nothing if that cannot be read."""
    try:
        note = read_note(folder / "status.json")
    except OutputError:
        return {}
    return note if isinstance(note, dict) else {}


def _counted(note: Mapping[str, Any]) -> dict[str, Any]:
    """Return how far a run is, as it noted; what is no such note is left out."""
    known: dict[str, Any] = {"stage": note["stage"]} if isinstance(note.get("stage"), str) else {}
    for name in ("done", "total"):
        with contextlib.suppress(SettingsError):
            known[name] = COUNT.check(note.get(name), name)
    return known


def _outcome(output: Path) -> tuple[str, str]:
    """Say how many objects a finished output holds, and that it is doubtful; empty if it does not tell."""
    # Its attributes are JSON: zarr would be imported for every look.
    try:
        record = read_note(output / "zarr.json")["attributes"][RECORD]
        count = COUNT.check(record["objects"], "objects")
        doubted = record.get("unfamiliar") is True
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return "", ""
    return f"{count:,} object{'' if count == 1 else 's'}", UNFAMILIAR * doubted


def _write(folder: Path, note: dict[str, Any]) -> None:
    write_one(folder / "status.json", json.dumps(note).encode(), durable=False)


def _locked(folder: Path) -> bool:
    for name in ("process.lock", "lock"):
        if (folder / name).exists():
            lock = FileLock(folder / name)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                return True
            lock.release()
    return False
