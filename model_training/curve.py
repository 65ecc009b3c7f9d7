"""Draw the curve of a training's log.

python -m model_training.curve LOG.csv OUT.svg
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

__all__ = ["curve"]

_LINES = (
    ("best", "best-of-three IoU of training prompts", "#0072b2"),
    ("offset", "centre error, relative to the object's size", "#d55e00"),
    ("here", "cross-entropy of object or background", "#009e73"),
)


def curve(log: Path, out: Path, smooth: int = 5) -> None:
    """Write an SVG of the log's main columns against its rows, each a mean over 25 steps.

    Parameters
    ----------
    log, out : Path
        CSV to read, SVG to write.
    smooth : int
        Rows averaged for a point of a line.
    """
    with log.open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    width, height, edge = 640, 300, 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width + 2 * edge} {height + 2 * edge}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect x="{edge}" y="{edge}" width="{width}" height="{height}" fill="white" stroke="#888"/>',
        f'<text x="{edge + width / 2}" y="{height + 2 * edge - 10}" text-anchor="middle">steps / 25</text>',
        f'<text x="{edge - 6}" y="{edge + 4}" text-anchor="end">1.2</text>',
        f'<text x="{edge - 6}" y="{edge + height}" text-anchor="end">0</text>',
    ]
    for n, (name, title, colour) in enumerate(_LINES):
        points = []
        for i in range(len(rows)):
            values = [float(r[name]) for r in rows[max(0, i - smooth + 1) : i + 1] if r[name]]
            if rows[i][name] and values:
                y = edge + height * (1 - min(sum(values) / len(values), 1.2) / 1.2)
                points.append(f"{edge + width * i / max(len(rows) - 1, 1):.1f} {y:.1f}")
        if points:
            parts.append(f'<path d="M{"L".join(points)}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{edge + 12}" y="{edge + 18 + 16 * n}" fill="{colour}">{title}</text>')
    out.write_text("\n".join([*parts, "</svg>", ""]))


if __name__ == "__main__":
    curve(Path(sys.argv[1]), Path(sys.argv[2]))
