"""Labels layers below the layer of a result, one for each level, or one of its cells; replaced as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from napari.utils.notifications import show_info
from qtpy.QtCore import QObject, QTimer

from napari_sam2_automask._napari.layers.features import numbered
from napari_sam2_automask._napari.layers.layer_choice import unwrapped
from napari_sam2_automask._napari.layers.place import layer_transform
from napari_sam2_automask._napari.run.outcome import digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.live.level_images import LevelImage

__all__ = ["CELLS_KEY", "LEVEL_KEY", "LevelLayers", "anyone_edited"]

#: Where a layer's metadata holds which level of which result it is, and the hash of its labels.
LEVEL_KEY = "sam2_automask_level"
#: The same of the cells of a result.
CELLS_KEY = "sam2_automask_cells"
#: Most levels that get a layer.
MOST = 12


class LevelLayers(QObject):
    """Shows the levels of results.

    Parameters
    ----------
    viewer : Viewer
        Where the layers go.
    parent : QObject
        What it lives as long as.
    key : str
        Where in a layer's metadata it is told that it is one of these.
    title : str
        What layers are called after the result; ``{}`` is the number of the level.
    visible : bool
        Whether they are shown at once.
    """

    def __init__(
        self,
        viewer: Viewer,
        parent: QObject,
        *,
        key: str = LEVEL_KEY,
        title: str = "level {}",
        visible: bool = False,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._key, self._title, self._visible = viewer, key, title, visible
        self._waiting: list[tuple[Labels, int, LevelImage]] = []
        # napari takes a while for a layer: one at a time, so that the viewer draws breath between them.
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._add_one)

    def written(self, result: Labels) -> list[tuple[NDArray[Any], str]]:
        """Return labels and hash of the layers that a result has; for `anyone_edited`."""
        return [
            (np.asarray(layer.data), layer.metadata[self._key]["digest"])
            for layer in self._own(result).values()
        ]

    def show(self, result: Labels, images: Sequence[LevelImage], *, edited: bool) -> None:
        """Show the levels of a result in the place of those that it had.

        Parameters
        ----------
        result : Labels
            The layer of the result.
        images : sequence of LevelImage
            Its levels; none if it has none any more.
        edited : bool
            Whether a person edited the levels that it had. They stay then, as layers of their own.
        """
        self._waiting = [waits for waits in self._waiting if waits[0] is not result]
        own = self._own(result)
        if edited:
            for layer in own.values():
                layer.metadata[self._key]["result"] = None
            own = {}
        for n, layer in own.items():
            if n >= len(images):
                self._viewer.layers.remove(layer)
        for n, image in enumerate(images[:MOST]):
            if n in own:
                own[n].data = image.data
                own[n].features = numbered(image.table)
                own[n].metadata[self._key]["digest"] = image.digest
            else:
                self._waiting.append((result, n, image))
        if len(images) > MOST and len(own) < MOST:
            show_info(
                f"There are {len(images)} levels, of which {MOST} are shown: lower the box NMS threshold for "
                "fewer."
            )
        if self._waiting:
            self._timer.start()

    def layer_of(self, result: Labels) -> Labels | None:
        """Return the layer of the first level of a result, if it has one."""
        return self._own(result).get(0)

    def put(
        self, result: Labels, cut: tuple[Any, ...], plane: NDArray[Any], digests: Mapping[Any, str]
    ) -> None:
        """Show a plane anew in the layer of a stack, which stays.

        Parameters
        ----------
        result : Labels
            The layer of the result.
        cut : tuple
            What selects the plane.
        plane : ndarray
            The labels.
        digests : mapping of plane to str
            Their hash.
        """
        layer = self.layer_of(result)
        if layer is not None:
            layer.data[cut] = plane
            layer.metadata[self._key]["digest"].update(digests)
            layer.refresh()

    def stop(self) -> None:
        """Add no more layers."""
        self._timer.stop()
        self._waiting.clear()

    def _own(self, result: Labels) -> dict[int, Labels]:
        """Return the layers of a result's levels that are in the viewer, by level."""
        identity = str(result.unique_id)
        found = {}
        for layer in map(unwrapped, self._viewer.layers):
            info = layer.metadata.get(self._key)
            if isinstance(info, dict) and info.get("result") == identity:
                found[int(info["level"])] = layer
        return found

    def _add_one(self) -> None:
        if not self._waiting:
            self._timer.stop()
            return
        result, n, image = self._waiting.pop(0)
        layers = self._viewer.layers
        if result not in layers:
            return
        layer = Labels(
            image.data,
            name=f"{result.name} - {self._title.format(n)}",
            features=numbered(image.table),
            # The result shows all levels, one on top of the other; whoever wants one shows it.
            visible=self._visible,
            metadata={self._key: {"result": str(result.unique_id), "level": n, "digest": image.digest}},
            **layer_transform(result),
        )
        selected = set(layers.selection)
        layers.insert(layers.index(result), layer)
        layers.selection.clear()
        layers.selection.update(selected)


def anyone_edited(written: Sequence[tuple[NDArray[Any], str]]) -> bool:
    """Tell whether labels differ from what was written; for a thread that can wait."""
    return any(digest(data) != before for data, before in written)
