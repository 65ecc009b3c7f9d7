"""The files of objects that have one number through a stack."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.image import image_hash
from napari_sam2_automask.tracks import tracks
from napari_sam2_automask.writing import json_writer, write_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_sam2_automask.stack import Linked
    from napari_sam2_automask.stack_planning import StackJob

__all__ = ["write_objects"]


def write_objects(stack: StackJob, linked: Linked, record: dict[str, Any]) -> dict[str, Any]:
    """Write labels, table, tracks (for time) and record of linked objects; return the record."""
    axis: Any = "t" if stack.link == "time" else "z"
    events = [f"{e.kind} at plane {e.plane}: {e.other} and {e.number}" for e in linked.events]
    record = record | {
        "objects": len(linked.table),
        "events": events,
        "labels_sha256": image_hash(linked.labels),
    }
    files: dict[Path, Callable[[IO[bytes]], None]] = {
        stack.paths.objects: lambda file: linked.table.to_csv(file, index=False)
    }
    if axis == "t":
        files[stack.paths.tracks] = lambda file: _tracks_csv(file, linked)
    files[stack.paths.record] = json_writer(record)
    files[stack.paths.labels] = lambda file: _write_stack(file, linked.labels, axis)
    write_files(files)
    return record


def _tracks_csv(file: IO[bytes], linked: Linked) -> None:
    """Write the tracks as napari's Tracks layer takes them, with the tracks that each comes from."""
    import pandas as pd

    found = tracks(linked)
    table = pd.DataFrame(found.data, columns=["track", "t", "y", "x"])
    table[["track", "t"]] = table[["track", "t"]].astype(np.int64)
    for name, values in found.features.items():
        table[name] = values
    table["parents"] = [" ".join(map(str, found.graph.get(track, []))) for track in table["track"]]
    table.to_csv(file, index=False)


def _write_stack(file: IO[bytes], labels: np.ndarray[Any, Any], axis: str) -> None:
    import tifffile

    tifffile.imwrite(
        file, labels, compression="zlib", photometric="minisblack", metadata={"axes": f"{axis.upper()}YX"}
    )
