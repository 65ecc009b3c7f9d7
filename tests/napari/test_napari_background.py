"""Large runs sent to the background from the widget, watched, stopped, and picked up by another one."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
import zarr
from large_images import cells
from large_run import SIZES, Cheap
from napari.utils.notifications import notification_manager
from napari_kit import dock, labels_of, rows

from napari_sam2_automask._napari.background.fold import TITLE
from napari_sam2_automask._napari.background.known_runs import KEY, KnownRun
from napari_sam2_automask._napari.background.open_result import read_result
from napari_sam2_automask._napari.background.spec_of_request import checked, default_output, large_spec
from napari_sam2_automask._napari.common.memory import Store
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.large.run import segment_large
from napari_sam2_automask.large.source.source import ArraySource
from napari_sam2_automask.settings.amg import AmgSettings

IMAGE = cells((150, 300), seed=1, large=0)[0]
# Few points, and nothing filtered: what is found does not matter here.
QUICK = AmgSettings(points_per_side=3, pred_iou_thresh=0.0, stability_score_thresh=0.0)
WAIT = 120_000


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "settings" / "choices.json")


@pytest.fixture
def messages():
    start = len(notification_manager.records)
    return lambda: [str(note.message) for note in list(notification_manager.records)[start:]]


def unfold(widget):
    widget.background.expand(animate=False)
    return widget.background.panel


def open_file(viewer, path, **more):
    viewer.open(path, plugin="napari")
    layer = viewer.layers[-1]
    for name, value in more.items():
        setattr(layer, name, value)
    return layer


def quick(widget):
    widget.models.choose("bundled", "cpu")
    widget.presets.choose("balanced", custom=True)
    widget.form.show(QUICK)


def until(qtbot, panel, state):
    def reached():
        return bool(panel.rows) and panel.rows[0].status is not None and panel.rows[0].status.state == state

    qtbot.waitUntil(reached, timeout=WAIT)
    return panel.rows[0]


@pytest.fixture
def small_tiles(monkeypatch):
    """Make tiles small, so that a small image has several."""
    from napari_sam2_automask.large.spec import LargeSpec

    monkeypatch.setattr(LargeSpec.__init__, "__defaults__", _defaults(LargeSpec))


def _defaults(spec):
    defaults = list(spec.__init__.__defaults__)
    names = spec.__init__.__code__.co_varnames[1 : spec.__init__.__code__.co_argcount][-len(defaults) :]
    for name, value in (("tile", 96), ("overlap", 32), ("threads", 1)):
        defaults[names.index(name)] = value
    return tuple(defaults)


def test_a_run_is_stopped_picked_up_by_another_widget_and_opened(
    make_napari_viewer, qtbot, tmp_path, store, small_tiles
):
    path = tmp_path / "slide.ome.tif"
    tifffile.imwrite(path, IMAGE)
    viewer = make_napari_viewer()
    open_file(viewer, path, scale=(0.5, 0.25), translate=(7, -3), units=("um", "um"))
    widget = dock(viewer, store=store)
    quick(widget)
    panel = unfold(widget)
    qtbot.waitUntil(lambda: panel.output.text() != "", timeout=WAIT)
    assert panel.output.text() == str(tmp_path / "slide_labels.ome.zarr")
    panel.start.click()
    row = until(qtbot, panel, "running")
    assert row.stop.isVisibleTo(panel)
    row.stop.click()
    row = until(qtbot, panel, "stopped")
    assert "Stopped" in row.state.text()
    panel._do(row, "open")  # too early: said, with counts
    qtbot.waitUntil(lambda: "nothing to open. Stopped" in row.state.text(), timeout=WAIT)
    assert not labels_of(viewer)
    settings = json.loads((tmp_path / "slide_labels.ome.zarr.run" / "spec.json").read_text())["settings"]
    assert settings == QUICK.to_json()
    # Napari is closed and opened again, with the image elsewhere.
    widget.shut_down()
    viewer = make_napari_viewer()
    again = dock(viewer, store=Store(tmp_path / "settings" / "choices.json"))
    assert "(1 run)" in again.background.text()
    panel = unfold(again)
    row = until(qtbot, panel, "stopped")
    row.resume.click()
    row = until(qtbot, panel, "finished")
    row.open.click()
    qtbot.waitUntil(lambda: len(labels_of(viewer)) == 1, timeout=WAIT)
    (labels,) = labels_of(viewer)
    doubted = ", unlike what the model knows" * ("unfamiliar" in labels.metadata["sam2_automask"])
    assert row.state.text() == f"Finished, {len(rows(labels)):,} objects{doubted}"
    assert labels.data.shape == IMAGE.shape
    assert np.asarray(labels.data).max() == len(rows(labels)) > 0
    assert type(labels.data).__module__.startswith("dask")
    np.testing.assert_allclose(labels.data_to_world((2, 4)), (7 + 1, -3 + 1))
    assert str(labels.units[0]) == "micrometer"
    assert labels.metadata["sam2_automask"]["identity"]["segmenter"]["model"]["name"] == "bundled"
    # Opened again it is chosen, not doubled; forgotten, its files stay.
    row.open.click()
    assert len(labels_of(viewer)) == 1
    row.forget.click()
    assert not panel.rows
    assert (tmp_path / "slide_labels.ome.zarr").exists()
    assert Store(tmp_path / "settings" / "choices.json").get(KEY) == []


def test_a_stack_in_a_zarr_gets_a_pyramid_of_its_axes(make_napari_viewer, qtbot, tmp_path, store):
    path = tmp_path / "stack.zarr"
    stack = np.stack([np.tile(IMAGE, (8, 4))[:1100, :300]] * 2)[None]
    zarr.create_array(path, data=stack, chunks=(1, 1, 256, 256))
    viewer = make_napari_viewer()
    image = open_file(viewer, path, scale=(1, 3, 0.5, 0.5))
    widget = dock(viewer, store=store)
    quick(widget)
    widget.images.planes.combo.setCurrentIndex(1)
    panel = unfold(widget)
    qtbot.waitUntil(lambda: panel.output.text() != "", timeout=WAIT)
    panel.start.click()
    row = until(qtbot, panel, "finished")
    image.translate = (0, 5, 0, 0)  # moved meanwhile: the labels lie where it lies now
    row.open.click()
    qtbot.waitUntil(lambda: len(labels_of(viewer)) == 1, timeout=WAIT)
    (labels,) = labels_of(viewer)
    assert labels.multiscale
    assert [level.shape for level in labels.data] == [(1, 2, 1100, 300), (1, 2, 550, 150)]
    np.testing.assert_allclose(labels.data_to_world((0, 1, 2, 3)), image.data_to_world((0, 1, 2, 3)))


def test_a_run_that_was_killed_can_be_resumed_and_one_that_is_gone_forgotten(
    make_napari_viewer, qtbot, tmp_path, store
):
    np.save(tmp_path / "image.npy", IMAGE)
    output = tmp_path / "image_labels.ome.zarr"
    run = {"image": str(tmp_path / "image.npy"), "shape": [150, 300], "transform": {}}
    store.put(
        **{
            KEY: [
                run | {"output": str(output)},
                run | {"output": str(tmp_path / "gone.zarr")},
                {"damaged": 1},
            ]
        }
    )
    folder = tmp_path / "image_labels.ome.zarr.run"
    folder.mkdir()
    asked = {"image": run["image"], "output": str(output), "settings": {"nonsense": 1}}
    (folder / "spec.json").write_text(json.dumps(asked))
    (folder / "status.json").write_text(json.dumps({"stage": "tiles", "done": 17, "total": 324}))
    widget = dock(make_napari_viewer(), store=store)
    panel = unfold(widget)
    row = until(qtbot, panel, "stopped")
    assert row.state.text() == "Stopped at tiles 17 of 324; what is done is kept"
    assert row.resume.isVisibleTo(panel)
    assert [row.status.state for row in panel.rows] == ["stopped", "unknown"]
    row.resume.click()  # its description is damaged: said, and it can be tried again
    qtbot.waitUntil(lambda: "nonsense" in panel.message.text(), timeout=WAIT)
    assert row.resume.isEnabled()
    panel.rows[1].forget.click()
    assert len(panel.rows) == 1


@pytest.mark.parametrize(
    "kind", ["no file", "kind", "region", "plane", "projection", "channels", "rolled", "name", "no image"]
)
def test_what_cannot_be_run_in_the_background_is_said(
    make_napari_viewer, qtbot, tmp_path, store, messages, kind
):
    viewer = make_napari_viewer()
    words = {
        "no file": "save the layer first",
        "kind": "is no TIFF, PNG, JPEG",
        "region": "set Where to Whole image",
        "plane": "set Planes to All 3 planes",
        "projection": "set Planes to all planes",
        "channels": "set Channels to This layer only",
        "rolled": "transpose the axes back",
        "name": "does not end in .zarr",
        "no image": "There is no image",
    }[kind]
    path = tmp_path / ("a.ppm" if kind == "kind" else "a.tif")
    if kind == "no file":
        viewer.add_image(IMAGE)
    elif kind == "kind":
        import imageio.v3

        imageio.v3.imwrite(path, IMAGE)
        open_file(viewer, path)
    elif kind != "no image":
        stacked = kind in ("plane", "projection")
        tifffile.imwrite(path, np.stack([IMAGE] * 3) if stacked else IMAGE, photometric="minisblack")
        open_file(viewer, path)
    widget = dock(viewer, store=store)
    panel = unfold(widget)
    if kind in ("region", "rolled"):
        viewer.dims.order = (1, 0) if kind == "rolled" else (0, 1)
        widget.images.where.setCurrentIndex(int(kind == "region"))
    elif kind == "projection":
        widget.images.planes.combo.setCurrentIndex(3)
    elif kind == "channels":
        viewer.add_image(IMAGE, blending="additive")
        viewer.layers.selection.active = viewer.layers[0]
        widget.images.channels.setCurrentIndex(1)
        widget.images.channels.activated.emit(1)
    panel.output.setText("labels.tif" if kind == "name" else str(tmp_path / "b.zarr"))
    panel.start.click()
    assert words in panel.message.text()
    assert words in messages()[-1]
    assert panel.start.isEnabled()
    assert not store.get(KEY)


def test_a_layer_that_is_not_its_file_is_refused(make_napari_viewer, qtbot, tmp_path, store):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, IMAGE)
    viewer = make_napari_viewer()
    layer = open_file(viewer, path)
    layer.data = 255 - IMAGE
    panel = unfold(dock(viewer, store=store))
    panel.output.setText(str(tmp_path / "b.zarr"))
    panel.start.click()
    qtbot.waitUntil(lambda: "does not show what its file holds" in panel.message.text(), timeout=WAIT)
    qtbot.waitUntil(lambda: not store.get(KEY), timeout=WAIT)
    assert panel.start.isEnabled()
    assert not panel.rows


def test_the_channel_that_a_layer_is_of_its_file_is_found_by_its_pixels(make_napari_viewer, tmp_path):
    path = tmp_path / "field.ome.tif"
    field = np.random.default_rng(0).integers(0, 999, (4, 3, 20, 30)).astype(np.uint16)  # Z, C, Y, X
    tifffile.imwrite(path, field, metadata={"axes": "ZCYX"})
    viewer = make_napari_viewer()
    layer = open_file(viewer, path)
    widget = dock(viewer)
    layer.data = field[:, 2]  # as a reader does that makes a layer of each channel
    widget.images._on_layer()
    widget.images.planes.combo.setCurrentIndex(1)
    request = widget.request()
    spec = checked(large_spec(request, str(tmp_path / "out.zarr")), request.source)
    assert spec.allow_missing
    assert (spec.axes.upper()[1:], spec.channel) == ("CYX", 2)
    layer.data = field[:, 2] + 1
    with pytest.raises(ImageError, match="does not show what its file holds"):
        checked(large_spec(request, "out.zarr"), widget.request().source)


def test_outputs_never_take_the_place_of_others(tmp_path):
    image = str(tmp_path / "a.ome.tiff")
    names = []
    for made in ("a_labels.ome.zarr", "a_labels_2.ome.zarr.run", ""):
        names.append(default_output(image))
        (tmp_path / made).mkdir(exist_ok=True)
    expected = ["a_labels.ome.zarr", "a_labels_2.ome.zarr", "a_labels_3.ome.zarr"]
    assert names == [str(tmp_path / name) for name in expected]


def test_two_widgets_remember_beside_each_other(tmp_path):
    path = tmp_path / "choices.json"
    first, second = Store(path), Store(path)
    first.put(background_runs=[1])
    second.put(preset="fine")
    assert Store(path).get("background_runs") == [1]
    first.reload()
    assert first.get("preset") == "fine"


@pytest.mark.filterwarnings("ignore:data shape .* exceeds GL_MAX_TEXTURE_SIZE")
def test_large_images_get_a_hint_and_are_no_obstacle(make_napari_viewer, tmp_path, store):
    viewer = make_napari_viewer()
    widget = dock(viewer, store=store)
    viewer.add_image(np.zeros((4, 8193), np.uint8))
    assert TITLE in widget.run_panel.hint.text()
    assert not widget.run_panel.hint.isHidden()
    viewer.add_image(np.zeros((4, 8192), np.uint8))
    assert widget.run_panel.hint.isHidden()
    huge = np.memmap(tmp_path / "huge.npy", np.uint8, "w+", shape=(20_000, 20_000))
    viewer.add_image(huge, contrast_limits=(0, 255))
    with pytest.raises(ImageError, match=TITLE):
        widget.request()
    assert widget.request(any_size=True).source.shape == (20_000, 20_000)


@pytest.mark.display
def test_it_is_made_when_it_is_unfolded_and_shows_whole(make_napari_viewer, qtbot, store):
    run = {"image": "a.tif", "shape": [9, 9], "transform": {}}
    store.put(**{KEY: [run | {"output": f"{k}.zarr"} for k in range(3)]})
    widget = dock(make_napari_viewer(show=True), store=store)
    fold = widget.background
    assert fold._panel is None
    fold.toggleButton().click()
    until(qtbot, fold.panel, "unknown")
    last = fold.panel.rows[-1]
    qtbot.waitUntil(lambda: last.height() >= last.minimumSizeHint().height(), timeout=WAIT)
    assert last.geometry().bottom() < fold.panel.height() <= fold.content().height()
    assert all(row.forget.isVisible() for row in fold.panel.rows)


@pytest.mark.parametrize(
    ("axes", "counts"),
    [("TZ", (2, 3)), ("ZT", (3, 2)), ("Za", (3, 2)), ("aZ", (2, 3)), ("bZTa", (1, 3, 2, 2)),
     ("ZPTR", (2, 3, 2, 2)), ("ab", (2, 3)), ("Z", (4,)), ("a", (1,)), ("ZcT", (1, 1, 3)), ("", ())],
)  # fmt: skip
def test_labels_have_the_axes_of_the_image_in_its_order(make_napari_viewer, tmp_path, axes, counts):
    image = np.zeros((*counts, 64, 96), np.uint8)
    corners = {index: (4 + 5 * k % 40, 8 + 3 * k) for k, index in enumerate(np.ndindex(*counts))}
    for index, (y, x) in corners.items():
        image[(*index, slice(y, y + 14), slice(x, x + 14))] = 200
    result = segment_large(ArraySource(image, axes + "YX"), tmp_path / "a.zarr", Cheap(), **SIZES)
    make_napari_viewer()  # what draws is warmed up
    run = KnownRun(str(result.path), "a.tif", image.shape, {})
    layer = read_result(run, {"scale": np.ones(image.ndim)})
    labels = np.asarray(layer.data[0] if layer.multiscale else layer.data)
    assert labels.shape == image.shape
    for index, corner in corners.items():
        rows, columns = np.nonzero(labels[index])
        np.testing.assert_allclose((rows.mean(), columns.mean()), np.add(corner, 6.5), atol=1)
