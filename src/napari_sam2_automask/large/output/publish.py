"""The finished labels: put in their place in one step, and recognised when they are there."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_sam2_automask.disk.atomic import sync
from napari_sam2_automask.disk.output_errors import writing
from napari_sam2_automask.errors import ImageError, OutputError
from napari_sam2_automask.large.output import omezarr
from napari_sam2_automask.large.output.run_folder import RunStore, differences, run_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["LargeResult", "finished", "publish", "table_path", "tidy"]


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
    """

    path: Path
    table: Path
    objects: int
    failed: dict[int, dict[str, Any]]


def tidy(output: Path, identity: Mapping[str, Any]) -> None:
    """Remove what a run left that was killed after its last step."""
    if run_folder(output).exists():
        with RunStore(output, identity) as store:
            store.remove()


def table_path(output: Path) -> Path:
    """Return where the table of the objects lies: beside the labels."""
    return output.with_name(output.name.removesuffix(".zarr").removesuffix(".ome") + ".objects.csv")


def finished(output: Path, identity: Mapping[str, Any]) -> LargeResult | None:
    """Return the result if the output is there, after making sure that it is this run's."""
    if not output.exists():
        return None
    try:
        record = omezarr.read_attributes(output).get(omezarr.RECORD, {})
    except ImageError:
        record = {}
    if "identity" not in record:
        raise OutputError(
            f"{output} is there already and was not written by such a run; choose another output"
        )
    changed = differences(record["identity"], identity)
    if changed:
        raise OutputError(
            f"{output} holds the result of another run: {'; '.join(changed)}. Choose another output"
        )
    failed = {int(k): v for k, v in record["failed"].items()}
    return LargeResult(output, table_path(output), int(record["objects"]), failed)


def publish(labels: Path, output: Path) -> None:
    """Move the labels to their place; at no moment is half a result there."""
    before = labels.with_name("previous")
    with writing(output):
        # Zarr writes each chunk under such a name first; a kill at that moment leaves it behind.
        for left in labels.rglob("*.partial"):
            left.unlink()
        for file in labels.rglob("*"):
            sync(file)
        shutil.rmtree(before, ignore_errors=True)
        if output.exists():
            os.replace(output, before)
        os.replace(labels, output)
        sync(output.parent)
        shutil.rmtree(before, ignore_errors=True)
