"""Compare two folders of results byte for byte, times and paths apart; used by same_results.py.

JSON is compared value by value: values under the names in `TIMES` count as equal whatever they are, and the
folders that the two runs wrote to, and the checkouts they ran from, as one. In CSV and other text only those
paths are replaced. Everything else is compared as bytes; for images and tables that differ it is told how.
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import tifffile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: Names in JSON of what is another in every run: when it was, how long it took, in which process.
TIMES = frozenset({"time", "seconds", "date_created", "started", "since", "pid"})
_JSON = (".json", ".zattrs", ".zgroup", ".zarray", ".zmetadata")
_TEXT = (".csv", ".txt", ".log")
#: At most so many differences of a file are told.
_MOST = 8


@dataclass(slots=True)
class Comparison:
    """What was compared, and how it differs.

    Attributes
    ----------
    files, size : Counter of str
        How many files of each folder at the top were compared, and their bytes on the old side.
    differences : list of str
        One for each difference, ``"file: what"``.
    """

    files: Counter[str] = field(default_factory=Counter)
    size: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)


def compare(old: Path, new: Path, same: dict[str, str]) -> Comparison:
    """Compare two folders.

    Parameters
    ----------
    old, new : Path
        The folders.
    same : dict of str to str
        Texts, such as paths, and the word that each is read as on both sides.
    """
    result = Comparison()
    names = {
        path.relative_to(folder) for folder in (old, new) for path in folder.rglob("*") if path.is_file()
    }
    for name in sorted(names):
        one, other = old / name, new / name
        missing = "the old" if not one.is_file() else "the new" if not other.is_file() else ""
        if missing:
            result.differences.append(f"{name}: {missing} checkout wrote no such file")
            continue
        result.files[name.parts[0]] += 1
        result.size[name.parts[0]] += one.stat().st_size
        found = _differences(name, one.read_bytes(), other.read_bytes(), same)
        result.differences += [f"{name}: {what}" for what in found[:_MOST]]
        if len(found) > _MOST:
            result.differences.append(f"{name}: and {len(found) - _MOST} more")
    return result


def summed_up(differences: Sequence[str]) -> list[str]:
    """Return the first of all that differ alike but for numbers and file, and how many more there are."""
    kinds: dict[str, list[str]] = {}
    for line in differences:
        kinds.setdefault(re.sub(r"(?<!\w)\d[\d.,e-]*", "0", line.partition(": ")[2]), []).append(line)
    return [f"{one}{f' (and {len(more)} more like it)' if more else ''}" for one, *more in kinds.values()]


def _differences(name: Path, old: bytes, new: bytes, same: dict[str, str]) -> list[str]:
    if old == new:
        return []
    if name.suffix in _JSON or name.name in _JSON:
        a, b = (_told_apart(json.loads(text), same) for text in (old, new))
        return list(_json_differences("", a, b))
    if name.suffix in _TEXT:
        old, new = (_replaced(text.decode(), same).encode() for text in (old, new))
        if old == new:
            return []
    if name.suffix == ".csv":
        return _table_differences(old, new)
    if name.suffix in (".tif", ".tiff"):
        return _image_differences(*(tifffile.imread(io.BytesIO(data)) for data in (old, new)))
    if name.suffix == ".npy":
        return _image_differences(*(np.load(io.BytesIO(data)) for data in (old, new)))
    if name.suffix in _TEXT:
        return _line_differences(old.decode(), new.decode())
    return [f"{len(old)} and {len(new)} bytes, which differ"]


def _replaced(text: str, same: dict[str, str]) -> str:
    for what, word in sorted(same.items(), key=lambda item: -len(item[0])):
        text = text.replace(what, word)
    return text


def _told_apart(value: Any, same: dict[str, str]) -> Any:
    """Return a value of JSON without its times, and with paths as words."""
    if isinstance(value, dict):
        return {k: "of this run" if k in TIMES else _told_apart(item, same) for k, item in value.items()}
    if isinstance(value, list):
        return [_told_apart(item, same) for item in value]
    return _replaced(value, same) if isinstance(value, str) else value


def _json_differences(place: str, old: Any, new: Any) -> list[str]:
    if type(old) is not type(new):
        return [f"{place}: {_short(old)} became {_short(new)}"]
    if isinstance(old, dict):
        gone, came = [k for k in old if k not in new], [k for k in new if k not in old]
        out = [f"{place or 'all'}: names without {gone}, with {came}"] if gone or came else []
        if not out and list(old) != list(new):
            out = [f"{place or 'all'}: names in another order"]
        both = [k for k in old if k in new]
        return out + [
            line for k in both for line in _json_differences(f"{place}.{k}".lstrip("."), old[k], new[k])
        ]
    if isinstance(old, list) and len(old) == len(new):
        both = enumerate(zip(old, new, strict=True))
        return [line for k, (a, b) in both for line in _json_differences(f"{place}[{k}]", a, b)]
    return [] if old == new else [f"{place}: {_short(old)} became {_short(new)}"]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _table_differences(old: bytes, new: bytes) -> list[str]:
    a, b = (pd.read_csv(io.BytesIO(data), dtype=str, keep_default_na=False) for data in (old, new))
    if list(a.columns) != list(b.columns):
        return [f"columns {list(a.columns)} became {list(b.columns)}"]
    if len(a) != len(b):
        return [f"{len(a)} rows became {len(b)}"]
    out = []
    for column in a.columns:
        rows = np.flatnonzero(a[column].to_numpy() != b[column].to_numpy())
        if len(rows):
            x, y = a[column].iloc[rows], b[column].iloc[rows]
            said = f"such as {x.iloc[0]} became {y.iloc[0]}{_apart(x, y)}"
            out.append(f"column {column}: {len(rows)} of {len(a)} rows, {said}")
    return out or ["the same table, written differently"]


def _apart(old: pd.Series, new: pd.Series) -> str:
    """Return how far numbers are apart at most, in words; nothing if they are no numbers."""
    x, y = (pd.to_numeric(values, errors="coerce").to_numpy(np.float64) for values in (old, new))
    if not (np.isfinite(x) & np.isfinite(y)).all():
        return ""
    most = np.abs(x - y).max()
    return f", by {most:.1g} at most" if most else ", the same numbers"


def _image_differences(old: np.ndarray, new: np.ndarray) -> list[str]:
    if (old.shape, old.dtype) != (new.shape, new.dtype):
        return [f"{old.dtype} {old.shape} became {new.dtype} {new.shape}"]
    count = int((old != new).sum())
    return [f"{count:,} of {old.size:,} pixels differ" if count else "the same pixels, written differently"]


def _line_differences(old: str, new: str) -> list[str]:
    a, b = old.splitlines(), new.splitlines()
    if len(a) != len(b):
        return [f"{len(a)} lines became {len(b)}"]
    return [f"{_short(x)} became {_short(y)}" for x, y in zip(a, b, strict=True) if x != y]
