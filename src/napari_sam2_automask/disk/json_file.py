"""JSON files, read with a message for whatever may be wrong with them."""

from __future__ import annotations

import errno
import json
from typing import TYPE_CHECKING, Any

from napari_sam2_automask.disk.regular import check_regular

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam2_automask.errors import AutomaskError

__all__ = ["COCO_LIMIT", "LIMIT", "json_bytes", "parse_json", "read_json"]

#: How large a file may be, in bytes: records and settings hold point grids at most, COCO outlines of objects.
LIMIT, COCO_LIMIT = 64 << 20, 1 << 30


def json_bytes(data: Any, indent: int | None = 1) -> bytes:
    """Return what a file holds that says `data` in JSON."""
    return (json.dumps(data, indent=indent, allow_nan=False) + "\n").encode()


def read_json(path: Path, kind: str, error: type[AutomaskError], *, limit: int = LIMIT) -> Any:
    """Return what a JSON file says.

    Parameters
    ----------
    path : Path
        The file: UTF-8 with or without a byte order mark, UTF-16 or UTF-32.
    kind : str
        What to give in its place if it holds something else, such as "a record of a run".
    error : type of AutomaskError
        What is raised.
    limit : int
        The largest number of bytes.

    Raises
    ------
    AutomaskError
        The `error`, with a line that says what is wrong: the file is missing, no regular file (it is not even
        opened then, which may take for ever), too large, no JSON, or nested too deep.
    """
    try:
        _check(path, limit)
        data = path.read_bytes()
    except OSError as problem:
        reason = problem.strerror or str(problem)
        raise error(f"cannot read {path.name} ({reason}: {path}): check the path") from problem
    return parse_json(data, path, kind, error)


def parse_json(data: bytes, path: Path, kind: str, error: type[AutomaskError]) -> Any:
    """Return what the bytes of a JSON file say; all else as for `read_json`."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as problem:
        reason = "it is nested too deep" if isinstance(problem, RecursionError) else str(problem)
        raise error(f"{path} is no JSON ({reason}): give {kind}") from problem


def _check(path: Path, limit: int) -> None:
    size = check_regular(path).st_size
    if size > limit:
        raise OSError(errno.EFBIG, f"it has {size:,} bytes, at most {limit:,} are read")
