"""Charts as SVG: they scale, print, and need nothing but the page."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["bars", "histogram", "number"]

_WIDTH, _HEIGHT, _BINS = 320, 110, 40


def number(value: float) -> str:
    """Return a number as people read it: whole ones whole, others with four digits."""
    if not np.isfinite(value):
        return "-"
    return f"{int(value):,}" if value == int(value) and abs(value) < 1e9 else f"{value:.4g}"


def histogram(values: NDArray[np.float64], title: str) -> str:
    """Return a histogram with least, median and greatest value; of finite values, at least one."""
    counts, edges = np.histogram(values, bins=_BINS)
    middle = float(np.median(values))
    x = _WIDTH * (middle - edges[0]) / (edges[-1] - edges[0])
    span = f"from {number(edges[0])} to {number(edges[-1])}"
    told = f"{title}: {len(values):,} values {span}, median {number(middle)}"
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT + 18}" role="img" '
        f'aria-label="{escape(told, quote=True)}">{_columns(counts.tolist())}'
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{_HEIGHT}" class="median"/>'
        f'<text x="0" y="{_HEIGHT + 14}">{number(edges[0])}</text>'
        f'<text x="{_WIDTH / 2}" y="{_HEIGHT + 14}" class="mid">median {number(middle)}</text>'
        f'<text x="{_WIDTH}" y="{_HEIGHT + 14}" class="end">{number(edges[-1])}</text></svg></figure>'
    )


def bars(values: Sequence[int], names: Sequence[str], title: str) -> str:
    """Return a column for each value, with its name when it is pointed at."""
    told = escape(f"{title} of {len(values):,} images", quote=True)
    return (
        f'<figure class="wide"><figcaption>{escape(title)}</figcaption>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'preserveAspectRatio="none" role="img" aria-label="{told}">{_columns(values, names)}</svg></figure>'
    )


def _columns(values: Sequence[int], names: Sequence[str] | None = None) -> str:
    most, width = max(1, *values), _WIDTH / len(values)
    out = []
    for k, value in enumerate(values):
        height = _HEIGHT * value / most
        told = "" if names is None else f"<title>{escape(names[k])}: {value:,}</title>"
        out.append(
            f'<rect x="{k * width:.2f}" y="{_HEIGHT - height:.2f}" width="{max(width * 0.9, 0.3):.2f}" '
            f'height="{height:.2f}">{told}</rect>'
        )
    return "".join(out)
