"""Results on disk: complete or not there, never half-written."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from napari_sam2_automask.errors import OutputError
from napari_sam2_automask.files.coco import to_coco

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam2_automask.painting.segmentation import Segmentation

__all__ = [
    "ResultPaths",
    "json_writer",
    "make_folder",
    "write_files",
    "write_labels",
    "write_results",
]


@dataclass(frozen=True, slots=True)
class ResultPaths:
    """Where the results of one image go.

    Attributes
    ----------
    table, coco, record, labels : Path
        Object table (CSV), COCO JSON, record (JSON) and labels (TIFF). The labels come last: where they are,
        the others are complete.
    levels : Path
        The levels (TIFF), if there are any.
    """

    table: Path
    coco: Path
    record: Path
    labels: Path
    levels: Path

    @classmethod
    def of(cls, folder: Path, stem: str) -> ResultPaths:
        """Return the paths for the image called `stem`."""
        return cls(
            table=folder / f"{stem}.table.csv",
            coco=folder / f"{stem}.coco.json",
            record=folder / f"{stem}.record.json",
            labels=folder / f"{stem}.labels.tif",
            levels=folder / f"{stem}.levels.tif",
        )


def make_folder(folder: Path) -> None:
    """Make the output folder and make sure that it can be written to.

    Raises
    ------
    OutputError
        If it cannot be made or written to.
    """
    probe = folder / f".probe-{os.getpid()}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise output_error(folder, error) from error


def write_results(
    segmentation: Segmentation,
    paths: ResultPaths,
    image_name: str,
    more: Mapping[Path, Callable[[IO[bytes]], None]] | None = None,
) -> None:
    """Write labels, table, COCO JSON and record of one image, and the levels if there are any.

    Parameters
    ----------
    segmentation : Segmentation
        What was found.
    paths : ResultPaths
        Where to.
    image_name : str
        The image's file name, for the COCO JSON.
    more : mapping of Path to callable, optional
        Further files that belong to them, see `write_files`.

    Raises
    ------
    OutputError
        If anything cannot be written; then files that were there before are still there.
    """
    files = dict(more or {})
    levels = segmentation.levels
    if levels is not None:
        files[paths.levels] = lambda file: write_labels(file, levels, axes="QYX")
    write_files(
        {
            **files,
            paths.table: lambda file: segmentation.table.to_csv(file, index=False),
            paths.coco: json_writer(to_coco(segmentation, image_name), indent=None),
            paths.record: json_writer(segmentation.record),
            paths.labels: lambda file: write_labels(file, segmentation.labels),
        },
        # Those of an earlier run do not belong to these labels.
        stale=paths.levels if levels is None else None,
    )


def write_files(writers: Mapping[Path, Callable[[IO[bytes]], None]], stale: Path | None = None) -> None:
    """Write files that belong together, all of them or none; the last one last.

    Each is written under a temporary name in its folder and renamed when all of them are safely on disk. The
    last one is the mark that all are complete, so that an older one goes first; a single file takes the place
    of an older one at once.

    Parameters
    ----------
    writers : mapping of Path to callable
        What writes each file, given an open binary file.
    stale : Path, optional
        A file that does not belong to the new ones and goes when they come.

    Raises
    ------
    OutputError
        If one cannot be written.
    """
    temporary = {path: path.with_name(f".{path.name}.{os.getpid()}.tmp") for path in writers}
    last = list(writers)[-1]
    current = last
    try:
        for current, write in writers.items():
            with temporary[current].open("wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
        if len(temporary) > 1:
            last.unlink(missing_ok=True)
        if stale is not None and stale.exists():
            stale.unlink()
        for current, draft in temporary.items():
            os.replace(draft, current)
        _sync_folder(last.parent)
    except OSError as error:
        raise output_error(current, error) from error
    finally:
        for draft in temporary.values():
            draft.unlink(missing_ok=True)


def json_writer(data: Any, indent: int | None = 1) -> Callable[[IO[bytes]], None]:
    """Return what writes `data` as JSON into an open binary file."""
    text = json.dumps(data, indent=indent, allow_nan=False) + "\n"

    def write(file: IO[bytes]) -> None:
        file.write(text.encode())

    return write


def write_labels(file: IO[bytes], labels: NDArray[Any], axes: str = "YX") -> None:
    """Write a label image with these axes as a compressed TIFF that ImageJ, QuPath and napari open."""
    import tifffile

    tifffile.imwrite(file, labels, compression="zlib", photometric="minisblack", metadata={"axes": axes})


def _sync_folder(folder: Path) -> None:
    """Make the renames in a folder last through a power cut, where the system can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def output_error(path: Path, error: OSError) -> OutputError:
    reason = error.strerror or str(error)
    return OutputError(
        f"cannot write {path} ({reason}): free space there, or choose another folder with --out"
    )
