"""Is it done already: results that are there, held against what is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam2_automask.batch.file_results import FileResult
from napari_sam2_automask.disk.leftovers import leftovers
from napari_sam2_automask.disk.regular import check_regular
from napari_sam2_automask.errors import OutputNameError, SettingsError
from napari_sam2_automask.record.record import Record
from napari_sam2_automask.settings.amg import AmgSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from napari_sam2_automask.batch.jobs import StackJob
    from napari_sam2_automask.files.results import ResultPaths
    from napari_sam2_automask.record.entries import Model

__all__ = ["check_linked", "check_result", "existing", "read_record_of", "same_model"]

# How files of this package begin.
_TABLE = b"index,predicted_iou,stability_score,area"
_COCO = b'{"info": {"description": "napari-sam2-automask"'

#: What a record says, in the words of a message.
_WORDS = {
    "file": "of another image or an older version of {name}",
    "plane": "of another plane",
    "pick": "of other planes or channels",
    "model": "of another model",
    "contrast_limits": "of other contrast limits",
    "floor": "of another floor",
    "link": "linked otherwise",
    "planes": "of other planes",
    "propagate": "propagated otherwise",
}


def existing(
    labels: Path, record: Path, source: Path, asked: Callable[[Record], Mapping[str, Any]], **more: Any
) -> FileResult | None:
    """Say whether results that are there are those that are asked for.

    Parameters
    ----------
    labels, record : Path
        The results' labels, which are there when all is, and their record.
    source : Path
        The image.
    asked : callable
        Takes the record and returns entries of it as this run would write them.
    **more
        Further fields of the result.

    Returns
    -------
    FileResult or None
        ``"skipped"`` if they are, ``"failed"`` with what differs if not; None if there are none.
    """
    if not labels.exists():
        return None
    old = read_record_of(record)
    differs = (
        "of another image, or its record cannot be read"
        if old is None
        else _difference(old, asked(old), source)
    )
    if old is not None and not differs:
        return FileResult(source, "skipped", f"results are in {labels}", old.objects or 0, **more)
    return FileResult(
        source, "failed", f"{labels} exists and is {differs}: use --overwrite or another --out", **more
    )


def check_result(paths: ResultPaths) -> None:
    """Refuse to replace what has the name of a result, of which there are no labels, and is somebody else's.

    Such as annotations that lie beside their image. What a killed run leaves is ours, and so is, beside a
    record, what other programs read, which nothing tells from their own files. Levels and cells are looked at
    when they are written.

    Raises
    ------
    OutputNameError
        If there is such a file.
    """
    begins = {paths.table: _TABLE, paths.coco: _COCO}
    _check((paths.record, *begins, *(path for _, path in paths.also)), paths.record, begins)


def check_linked(stack: StackJob) -> None:
    """Do the same for the results of linked objects."""
    paths = stack.paths
    if paths.labels.exists():
        return
    in_time = stack.link is not None and stack.link.letter == "t"
    named = (paths.record, paths.objects, *([paths.tracks] if in_time else []))
    _check((*named, *(path for _, path in paths.also)), paths.record, {})


def _check(named: Iterable[Path], record: Path, begins: Mapping[Path, bytes]) -> None:
    """Refuse files that do not begin as ours do, or, of others, that have no record of ours beside them."""
    if not record.parent.is_dir() or any(leftovers(record.parent)):
        return
    own = read_record_of(record) is not None
    for path in named:
        if path.exists() and not (_begins(path, begins[path]) if path in begins else own):
            raise OutputNameError(
                f"{path} is no result of this package: move it, use --overwrite or another --out"
            )


def _begins(path: Path, start: bytes) -> bool:
    try:
        check_regular(path)
        with path.open("rb") as file:
            return file.read(len(start)) == start
    except OSError:
        return False


def read_record_of(path: Path) -> Record | None:
    """Return the record beside results; None if there is none, or none that can be read."""
    try:
        return Record.read(path)
    except SettingsError:
        return None


def same_model(old: Record, sha256: str | None) -> Model | None:
    """Return the record's model with the weights that are asked for; both count only where they are known."""
    if old.model is None or old.model.sha256 is None or sha256 is None:
        return old.model
    return old.model.model_copy(update={"sha256": sha256})


def _difference(old: Record, asked: Mapping[str, Any], source: Path) -> str:
    """Return the first difference in words; empty if there is none."""
    for name, value in asked.items():
        before = getattr(old, name)
        if before == value:
            continue
        if isinstance(before, AmgSettings) and isinstance(value, AmgSettings):
            return f"of other settings ({_changes(before, value)})"
        return _WORDS[name].format(name=source.name)
    return ""


def _changes(before: AmgSettings, now: AmgSettings) -> str:
    old, new = before.to_json(), now.to_json()
    changed = [f"{name} was {old.get(name)}, is {new[name]}" for name in new if old.get(name) != new[name]]
    return ", ".join(changed[:3]) + (", ..." if len(changed) > 3 else "")
