"""Labels of several planes numbered through, so that no two objects share a number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["number_through", "numbered_as"]


def number_through(
    planes: Iterable[tuple[NDArray[Any], pd.DataFrame]], first: int = 1
) -> Iterator[tuple[NDArray[np.uint32], pd.DataFrame]]:
    """Give the objects of planes numbers that no other object has.

    Parameters
    ----------
    planes : iterable of (labels, table)
        Labels (Y, X), numbered in each plane by itself from 1 with gaps, and their table with a column
        ``index``, and perhaps ``parent``.
    first : int
        The least number that may be given.

    Yields
    ------
    labels : (Y, X) uint32 array
    table : DataFrame
        Copies with the new numbers: those of a plane follow on the largest of the planes before.
    """
    shift = first - 1
    for labels, table in planes:
        moved = labels.astype(np.uint32)
        moved[moved > 0] += shift
        table = table.copy()
        table["index"] = table["index"] + shift
        if "parent" in table:  # with all levels: the label of the object around it, 0 for none
            table["parent"] = table["parent"].where(table["parent"] == 0, table["parent"] + shift)
        shift = max(shift, int(table["index"].max()) if len(table) else 0)
        yield moved, table


def numbered_as(labels: NDArray[Any], pairs: Iterable[tuple[int, int]]) -> NDArray[np.uint32]:
    """Return labels of any shape with other numbers.

    Parameters
    ----------
    labels : int array
        Labels of a plane; 0 stays.
    pairs : iterable of (int, int)
        The labels and their numbers.

    Raises
    ------
    SettingsError
        If a label has no number.
    """
    known = dict(pairs)
    seen = np.union1d(0, labels)
    if missing := [label for label in seen.tolist() if label and label not in known]:
        raise SettingsError(
            f"the record is damaged (label {missing[0]} has no number): use a record that was not edited"
        )
    table = np.zeros(int(seen.max(initial=0)) + 1, np.uint32)
    table[seen] = [known[label] if label else 0 for label in seen.tolist()]
    numbered: NDArray[np.uint32] = table[labels]
    return numbered
