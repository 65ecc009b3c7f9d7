"""Getting Meta's checkpoints from the Hugging Face hub, whole and unchanged.

The hub's own ``hf_hub_download`` is not used for the transfer: it throws away what it has when a download
is cancelled or breaks off, cannot be cancelled while the network is silent, reports through a tqdm bar that
its Xet transfer drives from another thread, and checks the size of a file but not its contents. We take its
addresses and its HTTP session, and read the stream ourselves: into a ``.part`` file that a later call goes on
with, checked by SHA-256 before it gets its name.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from napari_sam2_automask.errors import ModelError
from napari_sam2_automask.models.hashing import remembered_sha256, sha256_of
from napari_sam2_automask.models.registry import HOME_VARIABLE, ModelEntry, find_entry
from napari_sam2_automask.models.streaming import Answer, BrokenConnection, open_url
from napari_sam2_automask.progress import Progress, ProgressCallback, no_progress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["download", "verify"]

_WAITS = (0.5, 1.0, 2.0, 4.0)
"""Seconds before each new try when nothing comes in; when these are used up the download has failed."""
_REINSTALL = "Install the package again: pip install --force-reinstall --no-deps napari-sam2-automask"
_REPORT_EVERY = 0.05
"""Seconds between two progress reports, so that a fast line does not flood the receiver."""


def download(model: str | ModelEntry, progress: ProgressCallback = no_progress) -> Path:
    """Return a model's file, after fetching it if it is not there.

    A download that was cancelled or broke off is gone on with. Two processes that want the same file do not
    disturb each other: one fetches, the other waits.

    Parameters
    ----------
    model : str or ModelEntry
        Name or entry of the registry.
    progress : callable
        Takes `Progress("download", bytes, bytes in all)` at least every 0.3 s; may raise `Cancelled`, which
        acts within a second and keeps what has come in.

    Returns
    -------
    Path
        The file, whose SHA-256 is that of the registry.

    Raises
    ------
    ModelError
        If the file cannot be had. The message says why, and how to put the file there by hand.
    Cancelled
        If `progress` raised it.
    """
    entry = find_entry(model) if isinstance(model, str) else model
    if entry.is_bundled:
        if not entry.target.is_file():
            raise ModelError(
                f"The bundled model is missing from the installation ({entry.target}). {_REINSTALL}"
            )
        return entry.target
    report = _Report(entry, progress)
    ready = _sound_file(entry, report)
    if ready:
        return ready
    with _writing(entry), _locked(entry, report):
        ready = _sound_file(entry, report)  # another process may have fetched it while we waited
        if ready:
            return ready
        if entry.target.exists():
            _quarantine(entry.target)
        return _fetch_checked(entry, report)


def verify(model: str | ModelEntry, progress: ProgressCallback = no_progress) -> str:
    """Read a model's whole file and check it, whatever was remembered about it.

    Parameters
    ----------
    model : str or ModelEntry
        Name or entry of the registry.
    progress : callable
        Takes `Progress("verify", bytes read, bytes in all)`; may raise `Cancelled`.

    Returns
    -------
    str
        The file's SHA-256. That of the bundled model is compared with the one in the installer's record of
        the package; an installation from a working copy has none.

    Raises
    ------
    ModelError
        If the file is not there, or its contents are not those of the registry.
    """
    entry = find_entry(model) if isinstance(model, str) else model
    path = entry.path
    if path is None and entry.is_bundled:
        download(entry)  # says that it is missing
    if path is None:
        found = f": the file there has {_size(entry.target)} bytes" if entry.target.exists() else ""
        raise ModelError(f"{entry.name} is not downloaded{found}. {_by_hand(entry)}")
    report = _Report(entry, progress, stage="verify")
    digest = remembered_sha256(path, report.reached, fresh=True)
    expected = _recorded_sha256(path) if entry.is_bundled else entry.sha256
    if expected not in (None, digest):
        remedy = (
            _REINSTALL
            if entry.is_bundled
            else f"Remove it and download it again: sam2-automask models download {entry.name}"
        )
        raise ModelError(f"{path} is damaged: its SHA-256 is {digest} and should be {expected}. {remedy}")
    return digest


def _recorded_sha256(path: Path) -> str | None:
    """Return what the installer of this package wrote down about one of its files."""
    from importlib.metadata import PackageNotFoundError, files

    try:
        recorded = files("napari-sam2-automask") or []
    except PackageNotFoundError:
        return None
    for file in recorded:
        if file.hash and file.hash.mode == "sha256" and file.locate() == path:
            return base64.urlsafe_b64decode(file.hash.value + "=").hex()
    return None


class _Report:
    """Passes bytes done on to a progress callable, not too often.

    Parameters
    ----------
    entry : ModelEntry
        Whose file it is about.
    progress : callable
        The receiver.
    stage : str
        The stage to report.
    """

    def __init__(self, entry: ModelEntry, progress: ProgressCallback, stage: str = "download") -> None:
        self._total = entry.bytes
        self._progress = progress
        self._stage = stage
        self._next = 0.0
        self.done = 0

    def reached(self, done: int) -> None:
        """Report a new number of bytes."""
        self.done = done
        self.tick()

    def tick(self) -> None:
        """Report again what was reported last, so that the receiver can cancel."""
        now = time.monotonic()
        if now >= self._next or self.done == self._total:
            self._next = now + _REPORT_EVERY
            self._progress(Progress(self._stage, self.done, self._total))

    def all_there(self, _: int = 0) -> None:
        """Report all bytes: they are there and being checked."""
        self.reached(self._total)


def _sound_file(entry: ModelEntry, report: _Report) -> Path | None:
    """Return the model's file if it is there and its contents are right."""
    for path in entry.paths:
        if remembered_sha256(path, report.all_there) == entry.sha256:
            report.all_there()
            return path
    return None


def _fetch_checked(entry: ModelEntry, report: _Report) -> Path:
    # The hash in the name keeps what is left of another version apart.
    part = entry.target.with_name(f"{entry.file_name}.{(entry.sha256 or '')[:8]}.part")
    for resumed in (_size(part) > 0, False):
        _fetch(entry, part, report)
        digest = sha256_of(part, report.all_there)
        if digest == entry.sha256:
            os.replace(part, entry.target)
            remembered_sha256(entry.target, report.all_there)
            return entry.target
        part.unlink()
        if not resumed:  # else the old beginning may be to blame: once more from the start
            break
    raise ModelError(
        f"{entry.name} came in damaged and was removed: its SHA-256 is {digest} and should be "
        f"{entry.sha256}. Try again; a network that changes files may be to blame. {_by_hand(entry)}"
    )


def _fetch(entry: ModelEntry, part: Path, report: _Report) -> None:
    """Bring the part file to its full size, over as many connections as it takes."""
    from huggingface_hub import hf_hub_url

    endpoint = os.environ.get("HF_ENDPOINT")  # now, not when huggingface_hub was first imported
    url = hf_hub_url(entry.repo, entry.file_name, revision=entry.revision, endpoint=endpoint)
    failures, most = 0, _size(part)
    while (start := _size(part)) != entry.bytes:
        if start > entry.bytes:
            part.unlink()
            continue
        _check_space(entry, part, entry.bytes - start)
        report.reached(start)
        try:
            with open_url(url, start, report.tick) as answer:
                _save(answer, entry, part, start, report)
        except BrokenConnection as error:
            failures = 0 if _size(part) > most else failures + 1
            most = max(most, _size(part))
            if failures > len(_WAITS) or _is_pointless(error):
                raise _failed(entry, part, str(error)) from error
            _wait(_WAITS[max(failures - 1, 0)], report)


def _save(answer: Answer, entry: ModelEntry, part: Path, start: int, report: _Report) -> None:
    """Append the body to the part file, after making sure that it is what was asked for."""
    if answer.status == 416:  # what we have cannot be the beginning of what the server has
        part.unlink(missing_ok=True)
        raise BrokenConnection("the server could not go on where the download had stopped")
    start = _first_byte(answer, entry, start)
    with part.open("r+b" if part.exists() else "wb") as file:
        file.truncate(start)
        file.seek(start)
        for chunk in answer.body:
            if start + len(chunk) > entry.bytes:
                file.truncate(0)
                raise _wrong_file(entry, "it is larger")
            file.write(chunk)
            start += len(chunk)
            report.reached(start)
        file.flush()
        os.fsync(file.fileno())
    if start < entry.bytes:
        raise BrokenConnection("the connection ended early")


def _first_byte(answer: Answer, entry: ModelEntry, start: int) -> int:
    """Return the offset at which the body begins: `start`, or 0 from a server that sends everything."""
    if answer.status in (408, 425, 429) or answer.status >= 500:
        raise BrokenConnection(f"the server is busy or in trouble (HTTP status {answer.status})")
    if answer.status not in (200, 206):
        raise ModelError(
            f"{entry.name} could not be downloaded: the server answered with HTTP status {answer.status}. "
            f"{_by_hand(entry)}"
        )
    if "text/html" in answer.headers.get("content-type", ""):
        raise _wrong_file(entry, "it is a web page, perhaps the login page of a network")
    if answer.status == 200:
        length = answer.headers.get("content-length")
        if length not in (None, str(entry.bytes)):
            raise _wrong_file(entry, f"it has {length} bytes instead of {entry.bytes}")
        return 0
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("content-range", ""))
    if match is None or int(match[1]) != start:
        raise BrokenConnection("the server sent another part of the file than was asked for")
    if match[2] not in ("*", str(entry.bytes)):
        raise _wrong_file(entry, f"it has {match[2]} bytes instead of {entry.bytes}")
    return start


def _is_pointless(error: BrokenConnection) -> bool:
    from huggingface_hub.errors import OfflineModeIsEnabled

    return isinstance(error.__cause__, OfflineModeIsEnabled)


def _wait(seconds: float, report: _Report) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        report.tick()
        time.sleep(0.05)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _quarantine(path: Path) -> None:
    """Move a bad file out of the way; a person put it there, perhaps, so it is not deleted."""
    os.replace(path, path.with_name(f"{path.name}.bad"))


@contextmanager
def _writing(entry: ModelEntry) -> Iterator[None]:
    """Make the folder, and say clearly what is wrong when it cannot be written to."""
    folder = entry.target.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise ModelError(
            f"{entry.name} cannot be stored in {folder}: {error.strerror or error}. Make room, make the "
            f"folder writable, or choose another one with the environment variable {HOME_VARIABLE}."
        ) from error


@contextmanager
def _locked(entry: ModelEntry, report: _Report) -> Iterator[None]:
    """Hold the file's lock. While another process has it, report how far that one is."""
    lock = FileLock(f"{entry.target}.lock")
    while True:
        try:
            lock.acquire(timeout=0.1)
            break
        except Timeout:
            parts = entry.target.parent.glob(f"{entry.file_name}.*.part")
            report.reached(max(map(_size, parts), default=0))
    try:
        yield
    finally:
        lock.release()


def _check_space(entry: ModelEntry, part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if free < needed:
        raise ModelError(
            f"{entry.name} needs {needed / 1e6:.0f} MB and {part.parent} has {free / 1e6:.0f} MB free. "
            f"Make room, or choose another folder with the environment variable {HOME_VARIABLE}."
        )


def _by_hand(entry: ModelEntry) -> str:
    return f"Or fetch {entry.file_name} from {entry.page} and put it into {entry.target.parent}."


def _wrong_file(entry: ModelEntry, what: str) -> ModelError:
    return ModelError(f"What the server sent for {entry.name} is not the model: {what}. {_by_hand(entry)}")


def _failed(entry: ModelEntry, part: Path, why: str) -> ModelError:
    have = _size(part)
    came = f" after {have / 1e6:.0f} of {entry.bytes / 1e6:.0f} MB (kept)" if have else ""
    return ModelError(
        f"{entry.name} could not be downloaded{came}: {why}. Connect to the network and try again. "
        f"{_by_hand(entry)}"
    )
