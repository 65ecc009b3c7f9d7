"""The demo's results in a viewer, and the widget from napari's menus."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from napari_sam2_automask._napari.contributions.open_demo import add_results
from napari_sam2_automask._napari.run.place_result import RECORD_KEY
from napari_sam2_automask.evaluation.demo import DEMO_PRESETS, DemoResult
from napari_sam2_automask.painting.segmentation import Segmentation
from napari_sam2_automask.samples import samples
from napari_sam2_automask.settings.amg import AmgSettings


def demo_results():
    for sample in samples():
        for preset in DEMO_PRESETS:
            image, truth = sample.image(), sample.truth()
            table = pd.DataFrame({"index": [1], "predicted_iou": [0.9]})
            labels = np.zeros(truth.shape, np.uint16)
            labels[5:20, 5:20] = 1
            painted = Segmentation(labels, table, AmgSettings(), {"preset": preset}, masks=None)
            yield DemoResult(sample, image, truth, preset, painted, 0.5, 1.0)


def test_the_demo_shows_every_image_side_by_side_with_all_its_labels(make_napari_viewer):
    viewer = make_napari_viewer()
    add_results(viewer, list(demo_results()))
    names = [layer.name for layer in viewer.layers]
    assert len(names) == len(set(names)) == len(samples()) * (2 + len(DEMO_PRESETS))
    starts = []
    for sample in samples():
        image = viewer.layers[sample.title]
        starts.append(image.translate[1])
        own = [layer for layer in viewer.layers if layer.name.startswith(f"{sample.title} - ")]
        assert [layer.name for layer in own if layer.visible] == [f"{sample.title} - balanced, F1 0.50"]
        for layer in own:
            np.testing.assert_allclose(layer.translate, image.translate)
            assert layer.data.shape == image.data.shape[:2]
    assert viewer.layers[-1].metadata[RECORD_KEY] == {"preset": "fine"}
    widths = [sample.image().shape[1] for sample in samples()]
    assert np.all(np.diff(starts) > widths[:-1])


@pytest.mark.display
def test_the_widget_opens_from_the_menus(tmp_path):
    """In a process of its own, because the test viewer does not load plugins' menus as napari does."""
    code = f"""
import os
os.environ["NAPARI_CONFIG"] = {str(tmp_path / "settings.yaml")!r}
import napari
from napari._app_model import get_app_model
from qtpy.QtWidgets import QApplication
viewer = napari.Viewer()
QApplication.processEvents()
app = get_app_model()
found = {{}}
for menu in ("napari/layers/segment", "napari/plugins", "napari/file/samples"):
    ids = [item.command.id for item in app.menus.get_menu(menu) if hasattr(item, "command")]
    found[menu] = [name for name in ids if "automask" in name.lower()]
    print(menu, found[menu])
assert found["napari/layers/segment"] == found["napari/plugins"], found
app.commands.execute_command(found["napari/plugins"][0]).result()
assert any("SAM 2 AutoMask" in name for name in viewer.window.dock_widgets), list(viewer.window.dock_widgets)
viewer.open_sample("napari-sam2-automask", "stained_nuclei")
widget = next(w for name, w in viewer.window.dock_widgets.items() if "SAM 2 AutoMask" in name)
assert widget.images.layer.name == "Stained tissue nuclei"
viewer.close()
print("opened")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert "opened" in done.stdout
