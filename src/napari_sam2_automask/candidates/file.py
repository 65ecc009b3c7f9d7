"""Candidates on disk: one file that says what it is, checked when it is read.

The file is a zip of NumPy arrays (``.npz``) with a JSON header; nothing in it is ever executed. The header
holds a SHA-256 over the arrays and the description, so that a damaged file is refused instead of giving other
masks.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.candidates.candidates import Candidates, Floor, LogitWindows
from napari_sam2_automask.candidates.logit_windows import STORED
from napari_sam2_automask.disk.atomic import write_one
from napari_sam2_automask.disk.regular import check_regular
from napari_sam2_automask.errors import CandidatesError, SettingsError
from napari_sam2_automask.settings.amg import AmgSettings

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
_COLUMNS = {"points": 2, "boxes": 4, "crop_boxes": 4, "origins": 2, "sizes": 2, "repairs": 3}
_WINDOWS = ("origins", "sizes", "offsets", "values", "repairs")
_PER_CANDIDATE = (
    "predicted_iou", "stability_score", "points", "boxes", "area", "crop_index", "origins", "sizes",
    "brightness",
)  # fmt: skip


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
    _check_arrays(path, arrays, _LAYOUTS[header["version"]])
    try:
        return _candidates(header, arrays)
    except (KeyError, TypeError, ValueError, SettingsError) as error:
        raise CandidatesError(
            f"{path.name} has a header that cannot be used ({error}): save again"
        ) from error


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
                return _entries(data, path.name, foreign)
    except (OSError, EOFError, KeyError, ValueError, zlib.error, zipfile.BadZipFile) as error:
        if isinstance(error, CandidatesError):
            raise
        raise CandidatesError(f"{foreign}, or copy it again: it may be incomplete") from error


def _entries(data: Any, name: str, foreign: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    if "header" not in data:
        raise CandidatesError(foreign)
    header = json.loads(data["header"].tobytes())
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise CandidatesError(foreign)
    layout = _LAYOUTS.get(header.get("version", 0))
    if layout is None:
        raise CandidatesError(
            f"{name} is in version {header.get('version')} of the format, this is version {_VERSION}: "
            "update napari-sam2-automask, or propose again"
        )
    return header, {array: data[array] for array in layout}


def _check_arrays(path: Path, arrays: dict[str, NDArray[Any]], layout: dict[str, tuple[type, int]]) -> None:
    """Refuse arrays that do not fit one another: a checksum protects from damage, not from other writers."""
    n = len(arrays["predicted_iou"])
    wrong = [
        name
        for name, (kind, dimensions) in layout.items()
        if arrays[name].dtype != kind
        or arrays[name].ndim != dimensions
        or (dimensions == 2 and arrays[name].shape[1] != _COLUMNS[name])
        or (name in _PER_CANDIDATE and len(arrays[name]) != n)
    ]
    if not wrong:
        steps = np.diff(arrays["offsets"])
        fits = len(steps) == n and np.array_equal(steps, arrays["sizes"].astype(np.int64).prod(1))
        if not fits or arrays["offsets"][0] != 0 or arrays["offsets"][-1] != len(arrays["values"]):
            wrong = ["offsets"]
        elif n and not 0 <= arrays["crop_index"].min() <= arrays["crop_index"].max() < len(
            arrays["crop_boxes"]
        ):
            wrong = ["crop_index"]
        elif "repairs" in arrays and not _sorted_within(arrays["repairs"][:, 0], n):
            wrong = ["repairs"]
    if wrong:
        raise CandidatesError(f"{path.name} holds arrays that do not fit: {', '.join(wrong)}: save again")


def _sorted_within(owners: NDArray[np.int32], n: int) -> bool:
    """Tell whether each repair belongs to one of n candidates, in their order."""
    return not len(owners) or bool(owners[0] >= 0 and owners[-1] < n and (np.diff(owners) >= 0).all())


def _candidates(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Candidates:
    rows, columns = header["shape"]
    grid_rows, grid_columns = header["grid"]
    own = {name: array for name, array in arrays.items() if name not in _WINDOWS}
    return Candidates(
        shape=(int(rows), int(columns)),
        **own,
        windows=LogitWindows(
            grid=(int(grid_rows), int(grid_columns)),
            **{name: array for name, array in arrays.items() if name in _WINDOWS},
            lowest=float(header["lowest"]),
        ),
        settings=AmgSettings.from_json(header["settings"]),
        floor=Floor(*(float(value) for value in header["floor"])),
        model=dict(header["model"]),
        complete=bool(header["complete"]),
        removed={str(name): int(n) for name, n in header["removed"].items()},
        prompts=(int(header["prompts"][0]), int(header["prompts"][1])),
        object_diameter=float(header.get("object_diameter", 0.0)),
    )
