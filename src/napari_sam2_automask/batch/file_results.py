"""What became of each file of a run, and the summary of all."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from napari_sam2_automask.disk.atomic import write_one
from napari_sam2_automask.disk.output_errors import check_targets
from napari_sam2_automask.errors import OutputNameError
from napari_sam2_automask.selection.familiarity import UNFAMILIAR

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["FileResult", "check_summary", "removed_text", "write_summary"]


@dataclass(frozen=True, slots=True)
class FileResult:
    """What became of one image file.

    Attributes
    ----------
    source : Path
        The image.
    status : str
        ``"done"``, ``"skipped"`` (results were there) or ``"failed"``.
    message : str
        What went wrong, or why it was skipped; empty when all went well.
    objects : int
        How many objects the labels hold.
    seconds : float
        How long it took.
    removed : str
        What the filters removed, in words, for an image without objects.
    plane : int or None
        The plane of it.
    fitted : str
        What points and magnification were fitted to, in words; empty without a fit.
    projected : str
        What the picture is the projection of, in words; empty of a single plane.
    unfamiliar : bool
        Whether the image is unlike what the model knows.
    """

    source: Path
    status: str
    message: str = ""
    objects: int = 0
    seconds: float = 0.0
    removed: str = ""
    plane: int | None = None
    fitted: str = ""
    projected: str = ""
    unfamiliar: bool = False


def removed_text(removed: dict[str, int]) -> str:
    """Say what each filter removed, for a result without objects."""
    counts = [f"{count} by {name}" for name, count in removed.items() if count]
    return "no masks were found" if not counts else "removed: " + ", ".join(counts)


def check_summary(path: Path, inputs: Iterable[Path], results: Iterable[Path]) -> None:
    """Make sure that a summary can be written and replaces neither what is read nor another result.

    Parameters
    ----------
    path : Path
        Where it is to go.
    inputs : iterable of Path
        Images and other files that are read.
    results : iterable of Path
        The other files that are written.

    Raises
    ------
    OutputNameError
        If it cannot.
    """
    check_targets([path], inputs)
    # Compared by what they would be called, since nothing is there yet; few have the summary's name.
    named_alike = (result for result in results if result.name.casefold() == path.name.casefold())
    if any(os.path.realpath(result.parent) == os.path.realpath(path.parent) for result in named_alike):
        raise OutputNameError(f"the summary {path} has the name of an image's results: choose another name")


def write_summary(path: str | Path, results: Sequence[FileResult], useless: Mapping[Path, str]) -> None:
    """Write what became of many images as a CSV file.

    Parameters
    ----------
    path : str or Path
        The file; one that exists is replaced.
    results : sequence of FileResult
        A row each: ``image``, ``plane``, ``status``, ``objects``, ``seconds``, ``message``.
    useless : mapping of Path to str
        Inputs that gave no result, and why: rows of status ``failed``.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    path = Path(path)
    rows: list[tuple[Any, ...]] = [
        (r.source, "" if r.plane is None else r.plane, r.status, r.objects, round(r.seconds, 3),
         r.message or r.removed or UNFAMILIAR * r.unfamiliar)
        for r in results
    ]  # fmt: skip
    rows += [(source, "", "failed", 0, 0.0, why) for source, why in useless.items()]

    def write(file: IO[bytes]) -> None:
        text = io.TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="")
        table = csv.writer(text)
        table.writerow(("image", "plane", "status", "objects", "seconds", "message"))
        table.writerows(rows)
        text.flush()
        text.detach()

    write_one(path, write, parents=True)
