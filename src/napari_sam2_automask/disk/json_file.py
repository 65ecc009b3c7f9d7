"""JSON files."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["json_bytes"]


def json_bytes(data: Any, indent: int | None = 1) -> bytes:
    """Return what a file holds that says `data` in JSON."""
    return (json.dumps(data, indent=indent, allow_nan=False) + "\n").encode()
