"""Objects of planes numbered through."""

from __future__ import annotations

import numpy as np
import pandas as pd

from napari_sam2_automask.stack.numbering import number_through


def test_objects_within_objects_keep_their_parents():
    labels = np.array([[0, 1, 1], [3, 3, 2]], np.uint16)
    table = pd.DataFrame({"index": [1, 2, 3], "level": [0, 1, 0], "parent": [0, 3, 0]})
    flat = pd.DataFrame({"index": [4]})
    found = list(number_through([(labels, table), (labels, flat), (labels, table)], first=10))
    assert [one["index"].tolist() for _, one in found] == [[10, 11, 12], [16], [17, 18, 19]]
    assert [one["parent"].tolist() for _, one in found[::2]] == [[0, 12, 0], [0, 19, 0]]
    assert "parent" not in found[1][1]
    np.testing.assert_array_equal(found[2][0], [[0, 17, 17], [19, 19, 18]])
    assert table["parent"].tolist() == [0, 3, 0]
