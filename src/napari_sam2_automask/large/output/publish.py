"""The finished labels: put in their place in one step, and recognised when they are there."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_sam2_automask.disk.atomic import sync
from napari_sam2_automask.disk.output_errors import writing
from napari_sam2_automask.disk.own_files import foreign, is_link, remove_own
from napari_sam2_automask.errors import ImageError, OutputError
from napari_sam2_automask.large.output import omezarr
from napari_sam2_automask.large.output.run_folder import (
    RunStore,
    check_run_folder,
    differences,
    run_folder,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["LargeResult", "check_output", "finished", "publish", "table_path", "tidy"]


@dataclass(frozen=True, slots=True)
class LargeResult:
    """What a run has written.

    Attributes
    ----------
    path : Path
        The labels, an OME-Zarr group; see `open_levels`.
    table : Path
        A CSV file with a row per object.
    objects : int
        How many objects there are.
    failed : dict of int to dict
        The tiles that were set aside, with what went wrong; empty if all is done. The labels have only what
        neighbouring tiles saw there. The same call again tries these tiles again.
    unfamiliar : bool
        Whether the image is unlike what the model knows, told from all tiles together.
    """

    path: Path
    table: Path
    objects: int
    failed: dict[int, dict[str, Any]]
    unfamiliar: bool = False


def tidy(output: Path, identity: Mapping[str, Any]) -> None:
    """Remove what a run left that was killed after its last step."""
    if run_folder(output).exists():
        with RunStore(output, identity) as store:
            store.remove()


def table_path(output: Path) -> Path:
    """Return where the table of the objects lies: beside the labels."""
    return output.with_name(output.name.removesuffix(".zarr").removesuffix(".ome") + ".objects.csv")


def check_output(output: Path) -> None:
    """Make sure that a run may write its output: nobody else's file or folder is in the way, nor a link.

    Raises
    ------
    OutputError
        If one is.
    """
    for path in (output, table_path(output)):
        if is_link(path):
            raise OutputError(f"{path} is a link: choose another output, or remove the link")
    if os.path.lexists(output) and not output.is_dir():
        raise OutputError(
            f"{output} is there already and was not written by such a run; choose another output"
        )
    table = table_path(output)
    if os.path.lexists(table) and not (table.is_file() and _is_table(table)):
        raise OutputError(
            f"{table} is where the run's table goes, and is another file: choose another output, or move it"
        )
    check_run_folder(run_folder(output))


def _is_table(path: Path) -> bool:
    """Tell whether a file is the table of a run."""
    with writing(path), path.open("rb") as file:
        columns = file.readline(4096).decode("utf-8", "replace").strip().split(",")
    return {"centroid_y", "bbox_y0", "tiles"} <= set(columns)


def finished(output: Path, identity: Mapping[str, Any]) -> LargeResult | None:
    """Return the result if the output is there, after making sure that it is this run's."""
    if not output.exists():
        return None
    try:
        record = omezarr.read_attributes(output).get(omezarr.RECORD)
    except ImageError:
        record = None
    if not isinstance(record, dict) or "identity" not in record:
        raise OutputError(
            f"{output} is there already and was not written by such a run; choose another output"
        )
    changed = differences(record["identity"], identity)
    if changed:
        raise OutputError(
            f"{output} holds the result of another run: {'; '.join(changed)}. Choose another output"
        )
    try:
        failed = {int(k): v for k, v in record["failed"].items()}
        objects = int(record["objects"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise OutputError(f"the record in {output} is damaged ({error!r}): choose another output") from error
    # It will be replaced, and what somebody else has put into it would be lost.
    strange = next(foreign(output, omezarr.OWN), None) if failed else None
    if strange is not None:
        raise OutputError(f"{output} holds a file that no run has written: move {strange} away")
    return LargeResult(output, table_path(output), objects, failed, record.get("unfamiliar") is True)


def publish(labels: Path, output: Path) -> None:
    """Move the labels to their place; at no moment is half a result there."""
    before = labels.with_name("previous")
    with writing(output):
        # Zarr writes each chunk under such a name first; a kill at that moment leaves it behind.
        remove_own(labels, re.compile(r".*\.partial"))
        for file in labels.rglob("*"):
            sync(file)
        remove_own(before, omezarr.OWN)
        if output.exists():
            os.replace(output, before)
        try:
            os.replace(labels, output)
        except OSError:
            if before.exists():
                os.replace(before, output)
            raise
        sync(output.parent)
        remove_own(before, omezarr.OWN)
