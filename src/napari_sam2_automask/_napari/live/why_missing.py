"""Why candidates are not in the result, in words: what each filter removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["count_words", "why_missing"]

#: What filters are called in a record, and what they mean.
WORDS = {
    "predicted IoU": "not sure enough (predicted IoU)",
    "likeness": "too unlike the typical objects (likeness)",
    "stability": "outline not stable enough (stability)",
    "empty": "without a pixel at this mask threshold",
    "smallest object": "smaller than the smallest object",
    "largest object": "larger than the largest object",
    "edge objects": "at the edge of the image",
    "box NMS": "another mask of the same object is better (box NMS)",
    "crop NMS": "another mask from another crop is better (crop NMS)",
    "near-duplicates": "nearly the same as another mask",
    "duplicates": "the same object as another mask (duplicate IoU)",
    "small regions": "the same as another mask without its small regions",
    "granularity": "wholes or parts of what is shown (granularity)",
    "no object near the point": "at points where the model saw nothing",
    "locked objects": "in the place of objects that you edited or accepted",
    "covered by others": "wholly covered by smaller objects",
    "beyond memory": "beyond the memory for candidates",
}
TAKEN_BACK = "taken back in gaps"


def why_missing(removed: Mapping[str, int]) -> str:
    """Return a line for each filter that removed masks, the most first, and one for those taken back."""
    counts = sorted(((n, name) for name, n in removed.items() if n > 0), reverse=True)
    lines = [f"{n:,} {WORDS.get(name, name)}" for n, name in counts]
    if removed.get(TAKEN_BACK, 0) < 0:
        lines.append(f"{-removed[TAKEN_BACK]:,} taken back, in gaps where nothing else lies (leniency)")
    return "\n".join(lines)


def count_words(objects: int) -> str:
    """Return how many objects there are, in words."""
    return f"{objects:,} object" + ("" if objects == 1 else "s")
