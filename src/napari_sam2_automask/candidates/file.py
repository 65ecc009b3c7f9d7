"""Candidates on disk: one file that says what it is, checked when it is read.

The file is a zip of NumPy arrays (``.npz``) with a JSON header; nothing in it is ever executed. The header
holds a SHA-256 over the arrays and the description, so that a damaged file is refused instead of giving other
masks.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.candidates.candidates import Candidates, Floor, LogitWindows
from napari_sam2_automask.candidates.checking import misfits, wrong_arrays
from napari_sam2_automask.candidates.logit_windows import STORED
from napari_sam2_automask.disk.atomic import write_one
from napari_sam2_automask.disk.regular import check_regular
from napari_sam2_automask.errors import CandidatesError
from napari_sam2_automask.settings.amg import AmgSettings
from napari_sam2_automask.settings.numbers import COUNT, EXTENT, INTENSITY, shown

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

__all__ = ["load_candidates", "save_candidates"]

_FORMAT = "sam2-automask-candidates"
_VERSION = 3
# Name, type and number of dimensions of each array in the file.
_ARRAYS: dict[str, tuple[type, int]] = {
    "predicted_iou": (np.float32, 1),
    "stability_score": (np.float32, 1),
    "points": (np.float32, 2),
    "boxes": (np.int64, 2),
    "area": (np.int64, 1),
    "crop_index": (np.int32, 1),
    "crop_boxes": (np.int64, 2),
    "origins": (np.int32, 2),
    "sizes": (np.int32, 2),
    "offsets": (np.int64, 1),
    "values": (STORED, 1),
    "repairs": (np.int32, 2),
    "brightness": (np.float32, 1),
}
# Files of the second version do not know how bright what they hold is.
_SECOND = {name: kind for name, kind in _ARRAYS.items() if name != "brightness"}
# Files of the first version hold logits in single precision, which need no repairs.
_FIRST = {**{name: kind for name, kind in _SECOND.items() if name != "repairs"}, "values": (np.float32, 1)}
_LAYOUTS = {1: _FIRST, 2: _SECOND, _VERSION: _ARRAYS}
_WINDOWS = ("origins", "sizes", "offsets", "values", "repairs")
# What a file may be unpacked to: so many times its size, and these bytes, which nobody minds.
_MOST_TIMES, _FREE = 100, 2**26


def save_candidates(candidates: Candidates, path: str | os.PathLike[str]) -> Path:
    """Write candidates to a file, whole or not at all.

    Parameters
    ----------
    candidates : Candidates
        What to save.
    path : path
        The file, usually with the ending ``.candidates.npz``; one that exists is replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    path = Path(path)
    arrays = _arrays(candidates)
    header = _header(candidates)
    header["sha256"] = _digest(arrays, header)
    packed = np.frombuffer(json.dumps(header).encode(), np.uint8)
    write_one(path, lambda file: np.savez_compressed(file, header=packed, **arrays))  # type: ignore[arg-type]
    return path


def load_candidates(path: str | os.PathLike[str]) -> Candidates:
    """Read candidates that :func:`save_candidates` wrote.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    Candidates
        Equal to those saved.

    Raises
    ------
    CandidatesError
        If the file is missing, is not one of ours, comes from a newer version, or is damaged.
    """
    path = Path(path)
    header, arrays = _read(path)
    if header.get("sha256") != _digest(arrays, header):
        raise CandidatesError(
            f"{path.name} is damaged (its checksum does not fit): save the candidates again"
        )
    _refuse(path, wrong_arrays(arrays, _LAYOUTS[header["version"]]))
    try:
        found = _candidates(header, arrays)
        wrong = misfits(found)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise CandidatesError(
            f"{path.name} has a header that cannot be used ({error}): save again"
        ) from error
    _refuse(path, wrong)
    return found


def _arrays(candidates: Candidates) -> dict[str, NDArray[Any]]:
    windows = candidates.windows
    return {
        name: np.ascontiguousarray(getattr(windows if name in _WINDOWS else candidates, name), dtype=kind)
        for name, (kind, _) in _layout(candidates).items()
    }


def _layout(candidates: Candidates) -> dict[str, tuple[type, int]]:
    """Return the arrays of a file of these candidates: what was read from an old file is written as one."""
    return _LAYOUTS[_version(candidates)]


def _version(candidates: Candidates) -> int:
    if candidates.windows.values.dtype == np.float32:
        return 1
    return 2 if candidates.brightness is None else _VERSION


def _header(candidates: Candidates) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "version": _version(candidates),
        "shape": [int(n) for n in candidates.shape],
        "grid": [int(n) for n in candidates.windows.grid],
        "lowest": float(candidates.windows.lowest),
        "settings": candidates.settings.to_json(),
        "floor": [candidates.floor.pred_iou, candidates.floor.stability],
        "model": dict(candidates.model),
        "complete": candidates.complete,
        "removed": {name: int(n) for name, n in candidates.removed.items()},
        "prompts": [int(n) for n in candidates.prompts],
        "object_diameter": float(candidates.object_diameter),
        "disagreement": float(candidates.disagreement),
    }


def _digest(arrays: dict[str, NDArray[Any]], header: dict[str, Any]) -> str:
    described = {name: value for name, value in header.items() if name != "sha256"}
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _read(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    foreign = f"{path.name} is not a file of candidates: choose one that was saved as candidates"
    try:
        check_regular(path)
    except FileNotFoundError as error:
        raise CandidatesError(f"there is no file {path.name}: check the path") from error
    except OSError as error:
        raise CandidatesError(f"cannot read {path.name} ({error.strerror}): check the path") from error
    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise CandidatesError(f"{foreign}, or copy it again: it may be incomplete")
            file.seek(0)
            with np.load(file, allow_pickle=False) as data:
                _check_size(data.zip, path)
                return _entries(data, path.name, foreign)
    except CandidatesError:
        raise
    except MemoryError as error:
        raise CandidatesError(f"{path.name} does not fit into memory: close other programs") from error
    except Exception as error:  # zipfile and NumPy raise whatever they meet in a damaged file
        raise CandidatesError(f"{foreign}, or copy it again: it may be incomplete") from error


def _check_size(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse what would fill the memory: logits are not made smaller than to a few hundredths."""
    size = sum(entry.file_size for entry in archive.infolist())
    if size > _MOST_TIMES * path.stat().st_size + _FREE:
        raise CandidatesError(f"{path.name} would be unpacked to {size:,} bytes: replace it, it is damaged")


def _entries(data: Any, name: str, foreign: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    if "header" not in data:
        raise CandidatesError(foreign)
    header = json.loads(data["header"].tobytes())
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise CandidatesError(foreign)
    layout = _LAYOUTS.get(header.get("version", 0))
    if layout is None:
        raise CandidatesError(
            f"{name} is in version {shown(header.get('version'))} of the format, this is version {_VERSION}: "
            "update napari-sam2-automask, or propose again"
        )
    return header, {array: data[array] for array in layout}


def _refuse(path: Path, wrong: list[str]) -> None:
    if wrong:
        raise CandidatesError(f"{path.name} holds arrays that do not fit: {', '.join(wrong)}: save again")


def _candidates(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Candidates:
    rows, columns = COUNT.check_all(header["shape"], "shape", 2)
    grid_rows, grid_columns = COUNT.check_all(header["grid"], "grid", 2)
    own = {name: array for name, array in arrays.items() if name not in _WINDOWS}
    return Candidates(
        shape=(rows, columns),
        **own,
        windows=LogitWindows(
            grid=(grid_rows, grid_columns),
            **{name: array for name, array in arrays.items() if name in _WINDOWS},
            lowest=INTENSITY.check(header["lowest"], "lowest"),
        ),
        settings=AmgSettings.from_json(header["settings"]),
        floor=Floor(*header["floor"]),
        model=dict(header["model"]),
        complete=bool(header["complete"]),
        removed={str(name): COUNT.check(n, "removed") for name, n in header["removed"].items()},
        prompts=COUNT.check_all(header["prompts"], "prompts", 2),
        object_diameter=EXTENT.check(header.get("object_diameter", 0.0), "object_diameter"),
        disagreement=EXTENT.check(header.get("disagreement", 0.0), "disagreement"),
    )
