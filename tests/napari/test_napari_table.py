"""The table under the result: rows are objects, and objects rows."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import QPersistentModelIndex, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_sam2_automask._napari.common.columns import column_title
from napari_sam2_automask._napari.table import take_away
from napari_sam2_automask._napari.table.colours import coloured
from napari_sam2_automask._napari.table.model import ObjectModel, told


def shown(table):
    """Return the labels of the rows from top to bottom."""
    return list(table.model.labels)


def test_the_doubtful_ones_come_first(live):
    widget, layer = live
    table = widget.result.table
    labels = shown(table)
    assert sorted(labels) == sorted(int(n) for n in np.unique(layer.data)[1:])
    sure = dict(zip(table.model.labels, table.model.values("predicted_iou"), strict=True))
    assert [sure[label] for label in labels] == sorted(sure.values())


def test_a_row_goes_to_its_object_and_an_object_to_its_row(viewer, live):
    widget, layer = live
    table, canvas = widget.result.table, widget.mend.canvas
    widget.mend.take("add")
    for row in (0, 3, 1):
        table.choose_row(row)
        label = shown(table)[row]
        assert canvas.picked == (label,) and table.labels == (label,)
        y, x = (round(float(at)) for at in viewer.camera.center[-2:])
        rows, columns = np.nonzero(layer.data == label)
        assert rows.min() <= y <= rows.max() + 1 and columns.min() <= x <= columns.max() + 1
    label = shown(table)[4]
    y, x = np.argwhere(layer.data == label)[0]
    canvas.click((int(y), int(x)))  # there is an object already: it is chosen
    assert table.labels == (label,)


def test_the_table_goes_to_the_clipboard_and_into_a_file(live, tmp_path, monkeypatch):
    widget, layer = live
    table = widget.result.table
    layer.name = "a/b: c"
    table.away.copy_button.click()
    pasted = pd.read_csv(io.StringIO(QApplication.clipboard().text()), sep="\t")
    assert pasted["index"].tolist() == shown(table)
    assert pasted["area"].tolist() == [int((layer.data == label).sum()) for label in pasted["index"]]
    assert {"predicted_iou", "bbox_y0"} <= set(pasted)
    table.select(*shown(table)[1:3])
    QTest.keyClick(table.view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    some = pd.read_csv(io.StringIO(QApplication.clipboard().text()), sep="\t")
    pd.testing.assert_frame_equal(some, pasted.iloc[1:3].reset_index(drop=True), check_dtype=False)
    asked = []

    def choose(parent, title, proposed, kinds):
        asked.append(proposed)
        return str(tmp_path / "t.csv"), ""

    monkeypatch.setattr(take_away.QFileDialog, "getSaveFileName", choose)
    table.away.save_button.click()
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "t.csv"), pasted)
    assert asked == ["a_b_ c.csv"]
    told = []
    monkeypatch.setattr(take_away, "show_error", told.append)
    (tmp_path / "t.csv").unlink()
    (tmp_path / "t.csv").mkdir()
    table.away.save_button.click()
    assert len(told) == 1 and "t.csv" in told[0]


def test_next_accept_and_sort(live, qtbot):
    widget, _ = live
    table = widget.result.table
    table.go(1)
    first = table.labels
    assert first == (shown(table)[0],)
    with qtbot.waitSignal(widget.live.mended):
        table.accept.click()
    assert table.labels == (shown(table)[1],)
    assert first[0] in widget.live.live_layer.locked
    table.go(-1)
    table.go(-1)
    assert table.labels == (shown(table)[0],)
    table.view.sortByColumn(table.model.names.index("area"), Qt.SortOrder.DescendingOrder)
    area = dict(zip(table.model.labels, table.model.values("area"), strict=True))
    assert [area[label] for label in shown(table)] == sorted(area.values(), reverse=True)


def test_rows_stay_sorted_by_name_and_what_is_not_known_comes_last():
    model = ObjectModel()
    nothing = np.nan
    table = pd.DataFrame({"index": [1, 2, 3, 4], "area": [9, 7, 8, 6], "note": [nothing, 0.5, 0.25, nothing]})
    model.show(table)
    assert model.labels == [1, 2, 3, 4]
    chosen = QPersistentModelIndex(model.index(0, 0))
    model.sort(model.names.index("note"))
    assert model.labels == [3, 2, 1, 4] and chosen.row() == 2
    model.sort(model.names.index("note"), Qt.SortOrder.DescendingOrder)
    assert model.labels == [2, 3, 1, 4] and model.values("area") == [7, 8, 9, 6]
    model.show(table[["index", "note", "area"]].assign(edited=["split", "", "merge", ""]).iloc[::-1])
    assert model.labels == [2, 3, 4, 1]
    model.sort(model.names.index("edited"))
    assert model.labels == [3, 1, 2, 4]
    model.show(pd.DataFrame())
    model.sort(0)
    assert model.labels == [] and model.rowCount() == 0


def test_equal_values_keep_their_order_whichever_way_numbers_and_words_are_sorted():
    model = ObjectModel()
    mixed = pd.Series([2, "b", None, "b", 2, 1.5, pd.NA, True], dtype=object)
    whole = pd.Series([2, None, 1, 2, 1, None, 2, 1], dtype="Int64")
    model.show(pd.DataFrame({"index": range(1, 9), "mixed": mixed, "whole": whole}))
    assert model.numbers == ["index", "whole"]
    for name, rising, falling in (
        ("whole", [3, 5, 8, 1, 4, 7, 2, 6], [1, 4, 7, 3, 5, 8, 2, 6]),
        ("mixed", [8, 6, 1, 5, 2, 4, 3, 7], [2, 4, 1, 5, 6, 8, 3, 7]),
    ):
        for order, wanted in ((Qt.SortOrder.AscendingOrder, rising), (Qt.SortOrder.DescendingOrder, falling)):
            model.sort(0)
            model.sort(model.names.index(name), order)
            assert model.labels == wanted


def test_several_are_merged_and_removed(live, qtbot):
    widget, layer = live
    table = widget.result.table
    two = shown(table)[:2]
    table.select(*two)
    assert table.labels == tuple(two) and table.merge.isEnabled()
    pixels = int(np.isin(layer.data, two).sum())
    with qtbot.waitSignal(widget.following.told):
        table.merge.click()
    assert int((layer.data == two[0]).sum()) == pixels and not (layer.data == two[1]).any()
    assert two[1] not in table.model.labels
    three = shown(table)[1:4]
    table.select(*three)
    table.selected.emit(table.labels)  # as a click on rows does
    with qtbot.waitSignal(widget.following.told):
        table.remove.click()
    assert not np.isin(layer.data, three).any() and not set(three) & set(table.model.labels)
    assert not table.remove.isEnabled()


def test_objects_are_coloured_by_a_column_and_back(live):
    widget, layer = live
    table, own = widget.result.table, layer.colormap
    table.colour.setCurrentIndex(table.colour.findData("area"))
    table.colour.activated.emit(table.colour.currentIndex())
    assert layer.colormap is not own
    table.colour.setCurrentIndex(0)
    table.colour.activated.emit(0)
    assert layer.colormap == own


def test_colours_run_with_the_values():
    colours = coloured([1, 2, 3, 7], [0.0, 10.0, float("nan"), 5.0]).color_dict
    assert np.allclose(colours[3], (0.5, 0.5, 0.5, 1))
    assert colours[1][2] > colours[2][2] and colours[2][0] > colours[1][0]  # from violet to yellow
    assert np.allclose(colours[0], 0)
    coloured([1, 2], [3.0, 3.0])
    coloured([], [])


def test_rows_without_an_object_are_left_out_and_unknown_values_are_blank():
    model = ObjectModel()
    table = pd.DataFrame(
        {
            "index": [0, 1, 2],
            "area": pd.array([None, 5000, 3], "Int64"),
            "predicted_iou": [np.nan, 0.5, np.nan],
            "bbox_y0": [np.nan, 1.0, 2.0],
        }
    )
    model.show(table)
    assert model.labels == [1, 2] and model.names == ["index", "predicted_iou", "area"]
    cells = [[model.data(model.index(row, column)) for column in range(3)] for row in range(2)]
    assert cells == [["1", "0.5", "5,000"], ["2", "", "3"]]
    model.show(pd.DataFrame())
    assert model.rowCount() == model.columnCount() == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (float("nan"), ""),
        (pd.NA, ""),
        (7, "7"),
        (0.12345, "0.123"),
        (12345.6, "12,346"),
        ("split", "split"),
    ],
)
def test_cells(value, text):
    assert told(value) == text


def test_columns_are_called_as_people_call_them():
    called = {
        "index": "#", "predicted_iou": "Sure", "area": "Area", "area_um2": "area (µm²)",
        "perimeter_um": "perimeter (µm)", "volume_um3": "volume (µm³)", "mean_c0": "mean c0",
    }  # fmt: skip
    assert {name: column_title(name) for name in called} == called
