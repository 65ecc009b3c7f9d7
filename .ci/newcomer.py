"""A newcomer's path in an installed package: window, widget, sample, Run, labels; prints how long it took.

`.ci/run` runs it where only the wheel is installed; `python newcomer.py PICTURE.png` keeps a screenshot.
"""

from __future__ import annotations

import sys
import time

start = time.perf_counter()


def main() -> None:
    import napari
    from qtpy.QtWidgets import QApplication

    import napari_sam2_automask
    from napari_sam2_automask._napari import AutomaskWidget

    viewer = napari.Viewer()
    viewer.open_sample("napari-sam2-automask", "fluorescence_nuclei")
    _, widget = viewer.window.add_plugin_dock_widget("napari-sam2-automask")
    assert isinstance(widget, AutomaskWidget)
    image = next(layer for layer in viewer.layers if layer._type_string == "image")
    viewer.layers.selection.active = image
    before = len(viewer.layers)
    print(f"widget open after {time.perf_counter() - start:.1f} s", flush=True)
    widget.run()
    while len(viewer.layers) == before:
        QApplication.processEvents()
        time.sleep(0.01)
        if time.perf_counter() - start > 300:
            sys.exit("no labels after 300 s")
    (labels,) = viewer.layers.selection
    print(f"{labels.data.max()} is the largest label, {time.perf_counter() - start:.1f} s after the start")
    print(f"with the package in {napari_sam2_automask.__path__[0]}")
    if len(sys.argv) > 1:
        QApplication.processEvents()
        viewer.screenshot(sys.argv[1], canvas_only=False, flash=False)
    viewer.close()


if __name__ == "__main__":
    main()
