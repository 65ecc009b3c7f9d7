"""Objects counted in the shapes of a layer: behind Layers > Measure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels, Shapes
from napari.qt.threading import create_worker
from napari.utils.notifications import show_info, show_warning
from napari.viewer import Viewer  # noqa: TC002 (napari reads the annotation)

from napari_sam2_automask._napari.layers.features import objects_of
from napari_sam2_automask._napari.layers.place import onto, pixel_of
from napari_sam2_automask._napari.layers.region import ENCLOSING, inside, outline_of
from napari_sam2_automask.measures.regions import count_in_regions

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["count_in_shapes"]


def count_in_shapes(viewer: Viewer) -> Any:
    """Count and measure the objects of the active Labels layer in each shape of the active Shapes layer.

    Where none is active the topmost one is taken. The counts become the features of the Shapes layer, a row
    for each shape, with the name that a column ``name`` gives it; lines and paths enclose nothing.
    """
    labels, shapes = (_layer(viewer, kind) for kind in (Labels, Shapes))
    if labels is None or shapes is None or labels.ndim != 2 or labels.multiscale or not len(shapes.data):
        show_warning("Counting needs a Labels layer with two axes and a Shapes layer with a shape: add them")
        return None
    regions = _Regions(labels, shapes)
    pixel = pixel_of(labels)
    more: dict[str, Any] = (
        {} if pixel is None else {"pixel_size": (pixel.height, pixel.width), "unit": pixel.unit}
    )
    table = objects_of(labels.features) if len(labels.features.columns) else None

    def show(found: pd.DataFrame) -> None:
        if len(shapes.data) != len(found):
            show_warning(f"The shapes of {shapes.name} have changed meanwhile: count again")
            return
        shapes.features = found
        show_info(f"{int(found['objects'].sum()):,} objects counted: see the features of {shapes.name}")

    # What is in memory may be painted on meanwhile; what is not is read by the worker.
    data = labels.data.copy() if isinstance(labels.data, np.ndarray) else labels.data

    def count() -> pd.DataFrame:
        return count_in_regions(np.asarray(data), regions, table, **more)

    return create_worker(count, _connect={"returned": show})


def _layer(viewer: Viewer, kind: type) -> Any:
    """Return the active layer of a kind, or the selected or topmost one; None if there is none."""
    every = [layer for layer in viewer.layers if isinstance(layer, kind)]
    selected = [layer for layer in every if layer in viewer.layers.selection]
    return next(iter([*selected[::-1], *every[::-1]]), None)


class _Regions(Mapping[str, "NDArray[np.bool_]"]):
    """Each shape as a mask of the labels, by its name; drawn when it is asked for, one at a time."""

    def __init__(self, labels: Labels, shapes: Shapes) -> None:
        names = shapes.features["name"].astype(str) if "name" in shapes.features else [""] * len(shapes.data)
        self._shape: tuple[int, int] = labels.data.shape
        self._outlines: dict[str, list[NDArray[Any]]] = {}
        given = zip(shapes.data, shapes.shape_type, names, strict=True)
        for number, (data, kind, name) in enumerate(given, 1):
            called = name or f"shape {number}"
            self._outlines[called if called not in self._outlines else f"{called} ({number})"] = (
                [onto(labels, shapes, outline_of(data, kind))] if kind in ENCLOSING else []
            )

    def __getitem__(self, name: str) -> NDArray[np.bool_]:
        return inside(self._outlines[name], self._shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self._outlines)

    def __len__(self) -> int:
        return len(self._outlines)
