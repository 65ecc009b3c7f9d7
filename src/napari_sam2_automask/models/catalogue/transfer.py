"""Bringing a file over the network, piece by piece, over as many connections as it takes.

The hub's own ``hf_hub_download`` is not used for the transfer: it throws away what it has when a download
is cancelled or breaks off, cannot be cancelled while the network is silent, reports through a tqdm bar that
its Xet transfer drives from another thread, and checks the size of a file but not its contents. We take its
addresses and its HTTP session, and read the stream ourselves: into a ``.part`` file that a later call goes on
with, checked by SHA-256 before it gets its name.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_sam2_automask.errors import ModelError
from napari_sam2_automask.models.catalogue.folders import HOME_VARIABLE
from napari_sam2_automask.models.catalogue.streaming import Answer, BrokenConnection, open_url
from napari_sam2_automask.progress import Progress, ProgressCallback, Throttled

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam2_automask.models.catalogue.entry import ModelEntry

__all__ = ["Report", "by_hand", "fetch", "size_of"]

_WAITS = (0.5, 1.0, 2.0, 4.0)
"""Seconds before each new try when nothing comes in; when these are used up the download has failed."""
_REPORT_EVERY = 0.05
"""Seconds between two progress reports, so that a fast line does not flood the receiver."""


class Report(Throttled):
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
        super().__init__(progress, _REPORT_EVERY, Progress(stage, 0, entry.bytes))

    def reached(self, done: int) -> None:
        """Report a new number of bytes; all of them at once."""
        state = replace(self.state, done=done)
        (self.tell if done == state.total else self.report)(state)

    def all_there(self, _: int = 0) -> None:
        """Report all bytes: they are there and being checked."""
        self.reached(self.state.total)


def fetch(entry: ModelEntry, part: Path, report: Report) -> None:
    """Bring the part file to its full size, over as many connections as it takes."""
    from huggingface_hub import hf_hub_url

    endpoint = os.environ.get("HF_ENDPOINT")  # now, not when huggingface_hub was first imported
    url = hf_hub_url(entry.repo, entry.file_name, revision=entry.revision, endpoint=endpoint)
    failures, most = 0, size_of(part)
    while (start := size_of(part)) != entry.bytes:
        if start > entry.bytes:
            part.unlink()
            continue
        _check_space(entry, part, entry.bytes - start)
        report.reached(start)
        try:
            with open_url(url, start, report.tick) as answer:
                _save(answer, entry, part, start, report)
        except BrokenConnection as error:
            failures = 0 if size_of(part) > most else failures + 1
            most = max(most, size_of(part))
            if failures > len(_WAITS) or _is_pointless(error):
                raise _failed(entry, part, str(error)) from error
            _wait(_WAITS[max(failures - 1, 0)], report)


def _save(answer: Answer, entry: ModelEntry, part: Path, start: int, report: Report) -> None:
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
            f"{by_hand(entry)}"
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


def _wait(seconds: float, report: Report) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        report.tick()
        time.sleep(0.05)


def size_of(path: Path) -> int:
    """Return a file's size in bytes, 0 if it is not there."""
    return path.stat().st_size if path.exists() else 0


def _check_space(entry: ModelEntry, part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if free < needed:
        raise ModelError(
            f"{entry.name} needs {needed / 1e6:.0f} MB and {part.parent} has {free / 1e6:.0f} MB free. "
            f"Make room, or choose another folder with the environment variable {HOME_VARIABLE}."
        )


def by_hand(entry: ModelEntry) -> str:
    """Say how a person can put a model's file there without our help."""
    return f"Or fetch {entry.file_name} from {entry.page} and put it into {entry.target.parent}."


def _wrong_file(entry: ModelEntry, what: str) -> ModelError:
    return ModelError(f"What the server sent for {entry.name} is not the model: {what}. {by_hand(entry)}")


def _failed(entry: ModelEntry, part: Path, why: str) -> ModelError:
    have = size_of(part)
    came = f" after {have / 1e6:.0f} of {entry.bytes / 1e6:.0f} MB (kept)" if have else ""
    return ModelError(
        f"{entry.name} could not be downloaded{came}: {why}. Connect to the network and try again. "
        f"{by_hand(entry)}"
    )
