"""Plots under the result: a line that is dragged filters, a lasso selects, and cells and reports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from job_kit import fake_segment
from napari_kit import dock, labels_of, live_result, rows
from qtpy.QtCore import QPointF, Qt
from qtpy.QtGui import QDesktopServices, QMouseEvent

from napari_sam2_automask import paint, select
from napari_sam2_automask._napari.live.level_layers import CELLS_KEY
from napari_sam2_automask._napari.plots.scatter import Scatter
from napari_sam2_automask.files.reading import read_image
from napari_sam2_automask.files.results import ResultPaths, write_results
from napari_sam2_automask.measures.cells import expand


def opened(viewer, qtbot):
    """Return the widget of a result whose measures are in sight, and the layer."""
    widget, layer = live_result(viewer, qtbot)
    widget.result.measures.expand(animate=False)
    plots = widget.result.plots
    qtbot.waitUntil(lambda: plots.filter.choice.count() > 0)
    return widget, layer


def choose(qtbot, plots, name):
    """Choose a measure as a person does, and wait until it is shown."""
    one = plots.filter
    one.choice.setCurrentIndex(one.choice.findData(name))
    one.histogram.counts = []
    one.choice.activated.emit(one.choice.currentIndex())
    qtbot.waitUntil(lambda: bool(one.histogram.counts))


def test_a_line_in_the_histogram_of_a_measure_filters(viewer, qtbot):
    widget, layer = opened(viewer, qtbot)
    histogram, before = widget.result.plots.filter.histogram, widget.form.settings
    choose(qtbot, widget.result.plots, "eccentricity")
    assert sum(histogram.counts) == len(widget.live.live_layer.change.rows)
    low, high = histogram.edges
    assert histogram.thresholds == [low, high] and 0 <= low < high <= 1
    histogram.move_line(0, (low + high) / 2)
    qtbot.waitUntil(lambda: bool(widget.live.shown.filters))
    ((name, least, most),) = widget.form.settings.filters
    assert (name, most) == ("eccentricity", None) and least == pytest.approx((low + high) / 2, rel=1e-3)
    wanted = paint(select(widget.live.live_layer.candidates, widget.live.shown))
    np.testing.assert_array_equal(layer.data, wanted.labels)
    assert 0 < len(wanted.table) < sum(histogram.counts)
    # Another measure is filtered by beside it, and what the first leaves is what it shows.
    choose(qtbot, widget.result.plots, "equivalent_diameter")
    assert sum(histogram.counts) == len(widget.live.live_layer.change.rows)
    histogram.move_line(1, sum(histogram.edges) / 2)
    qtbot.waitUntil(lambda: len(widget.live.shown.filters) == 2)
    # A line at the end lets everything pass, and undo moves it.
    histogram.move_line(1, histogram.edges[1])
    qtbot.waitUntil(lambda: len(widget.live.shown.filters) == 1)
    for _ in range(3):
        widget.live.undo_last()
    qtbot.waitUntil(lambda: widget.live.shown == before)
    assert histogram.thresholds == list(histogram.edges) and widget.form.settings == before


def draw(scatter, outline):
    """Draw around points with the mouse."""
    kinds = [QMouseEvent.Type.MouseButtonPress, *[QMouseEvent.Type.MouseMove] * (len(outline) - 1)]
    for kind, at in zip([*kinds, QMouseEvent.Type.MouseButtonRelease], [*outline, outline[-1]], strict=True):
        button = Qt.MouseButton.LeftButton
        event = QMouseEvent(kind, QPointF(*at), QPointF(*at), button, button, Qt.KeyboardModifier.NoModifier)
        handlers = (scatter.mousePressEvent, scatter.mouseMoveEvent, scatter.mouseReleaseEvent)
        handlers[(kind != kinds[0]) + (kind == QMouseEvent.Type.MouseButtonRelease)](event)


def test_a_lasso_selects_objects_and_their_rows(viewer, qtbot):
    widget, layer = opened(viewer, qtbot)
    plots, table = widget.result.plots, widget.result.table
    plots.across.setCurrentIndex(plots.across.findData("mask_area"))
    plots.across.activated.emit(plots.across.currentIndex())
    own = rows(layer)
    middle = float(np.median(own["mask_area"]))
    wanted = set(own.loc[own["mask_area"] > middle, "index"])
    at = plots.scatter._at()
    x = (at[own["mask_area"] > middle, 0].min() + at[own["mask_area"] <= middle, 0].max()) / 2
    right, bottom = plots.scatter.width() + 5, plots.scatter.height() + 5
    draw(plots.scatter, [(x, -5), (right, -5), (right, bottom), (x, bottom)])
    assert set(table.labels) == set(widget.mend.canvas.picked) == wanted
    assert plots.count.text().startswith(f"{len(wanted)} of {len(own)}")
    # A row that is selected is marked, a click takes the nearest point, and one beside all none.
    table.choose_row(2)
    assert plots.scatter._marked.tolist() == [own["index"].tolist().index(table.labels[0])]
    draw(plots.scatter, [tuple(at[4])])
    assert table.labels == (own["index"].iloc[4],)
    plots.scatter.show_points(np.array([[np.nan, 1], [2, 3]]), ("a", "b"))
    assert plots.scatter.inside([(0, 0), (right, 0), (right, bottom), (0, bottom)]) == (1,)


def test_three_thousand_points_are_drawn_and_picked_fast(qtbot):
    scatter = Scatter()
    qtbot.addWidget(scatter)
    scatter.resize(260, 170)
    scatter.show_points(np.random.default_rng(0).random((3000, 2)), ("a", "b"))
    scatter.grab()
    assert len(scatter.inside([(0, 0), (130, 0), (130, 170), (0, 170)])) == pytest.approx(1500, abs=150)


def test_cells_have_a_layer_that_follows(viewer, qtbot):
    widget, layer = live_result(viewer, qtbot)

    def cells():
        return [one for one in labels_of(viewer) if CELLS_KEY in one.metadata]

    def follow(distance):
        with qtbot.waitSignal(widget.following.told):
            widget.form.widgets["expand_distance"].value = distance
            widget.live.follow(widget.form.settings.replace(expand_distance=distance))

    assert cells() == []
    follow(3.0)
    qtbot.waitUntil(lambda: len(cells()) == 1)
    (grown,) = cells()
    assert grown.name == f"{layer.name} - cells"
    np.testing.assert_array_equal(grown.data, expand(layer.data, 3.0))
    assert "area_cell" in rows(grown)
    follow(5.0)
    np.testing.assert_array_equal(cells()[0].data, expand(layer.data, 5.0))
    follow(0.0)
    assert cells() == []


def test_the_report_of_a_folder_is_made_and_opened(viewer, qtbot, tmp_path, monkeypatch):
    image = tmp_path / "a.tif"
    tifffile.imwrite(image, np.full((12, 16), 3, np.uint8))
    loaded = read_image(image)
    done = fake_segment(loaded, None, None, name="a.tif", file={"name": "a.tif", "path": str(image)})
    write_results(done, ResultPaths.of(tmp_path, "a"), "a.tif")
    shown = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: shown.append(url.toLocalFile()))
    widget = dock(viewer)
    button = widget.copies.report
    with qtbot.waitSignal(button.made) as told:
        button.make(tmp_path)
        assert button.text() == "Stop"
    assert shown == [str(tmp_path / "report.html")] and Path(shown[0]).is_file()
    assert told.args == [f"The report is in {tmp_path / 'report.html'}."]
    assert button.text().startswith("Report")
