"""What of the environment can change a result, and values as JSON knows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePath
from typing import Any

import numpy as np

__all__ = ["OWN_NAME", "json_ready", "package_versions"]

OWN_NAME = "napari-sam2-automask"
"""Under which this package is installed."""

# What can change a result; the rest of the environment cannot.
_PACKAGES = (
    OWN_NAME,
    "sam2",
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "scikit-image",
    "napari",
)


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that can change a result, without importing them."""
    return dict(_installed())


@cache
def _installed() -> dict[str, str]:
    """Look them up once: that takes as long as painting."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def json_ready(value: Any) -> Any:
    """Return `value` with NumPy scalars, arrays, tuples and paths turned into what JSON knows.

    NaN and infinity, which JSON does not know, become None.
    """
    if isinstance(value, Mapping):
        return {str(key): json_ready(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return json_ready(value.tolist())
    if isinstance(value, np.generic):
        return json_ready(value.item())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Sequence | set | frozenset):
        return [json_ready(item) for item in value]
    if isinstance(value, PurePath):
        return value.as_posix()
    return str(value)
