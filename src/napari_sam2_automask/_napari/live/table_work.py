"""What makes the table of a result that follows the settings, and what shows with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from napari_sam2_automask._napari.layers.features import numbered
from napari_sam2_automask._napari.live.level_images import cells_on_layer, levels_shown, on_layers
from napari_sam2_automask._napari.live.level_layers import CELLS_KEY, anyone_edited
from napari_sam2_automask._napari.live.live_table import table_of
from napari_sam2_automask._napari.live.retelling import mends_of
from napari_sam2_automask._napari.live.stack_cells import cells_of_stack
from napari_sam2_automask._napari.run.outcome import digest
from napari_sam2_automask.progress import Progress
from napari_sam2_automask.settings.amg import ALL_LEVELS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.live.level_images import LevelImage
    from napari_sam2_automask._napari.live.live_layer import LiveLayer
    from napari_sam2_automask._napari.live.stack_cells import StackCells
    from napari_sam2_automask._napari.live.stack_layer import StackLayer
    from napari_sam2_automask._napari.live.stack_table import StackTable
    from napari_sam2_automask._napari.run.outcome import TracksData
    from napari_sam2_automask._napari.run.request import Request
    from napari_sam2_automask.progress import ProgressCallback
    from napari_sam2_automask.settings.amg import AmgSettings
    from napari_sam2_automask.stack.numbers import Plane

__all__ = ["TableOfPlane", "TableOfResult", "Told", "work_of_plane", "work_of_result"]


class Told(NamedTuple):
    """What the record is to say: the entry ``mends``, and the digest of the pixels that were measured."""

    mends: dict[str, Any] | None
    digest: str


class TableOfResult(NamedTuple):
    """The table of a result of one image, and for levels and cells, in this order, what they show.

    `edited` says whether anyone changed what was written into the layers of each.
    """

    features: pd.DataFrame
    images: tuple[list[LevelImage], list[LevelImage]]
    edited: list[bool]
    told: Told


class TableOfPlane(NamedTuple):
    """The table of one plane of a stack, features and tracks of the whole, and its objects grown to cells."""

    features: pd.DataFrame
    whole: tuple[pd.DataFrame, TracksData | None]
    cells: StackCells
    told: Told


def work_of_result(
    follower: LiveLayer,
    settings: AmgSettings,
    request: Request,
    written: Sequence[Sequence[tuple[NDArray[Any], str]]],
) -> Callable[[ProgressCallback], TableOfResult]:
    """Return what makes the table of what the layer of one image shows now.

    Parameters
    ----------
    follower : LiveLayer
        The layer.
    settings : AmgSettings
        What it shows.
    request : Request
        The run.
    written : sequence
        What was written into the layers of its levels and of its cells, see `LevelLayers.written`.
    """
    data, labels = follower.copied()
    shows, shape = follower.shows, follower.layer.data.shape

    def make(progress: ProgressCallback) -> TableOfResult:
        levels = None
        if settings.overlap == ALL_LEVELS:
            levels = levels_shown(shows.masks, labels, shows.kept, lambda: progress(Progress("levels", 0, 1)))
        table = table_of(labels, follower, shows, request, levels)
        images = [] if levels is None else on_layers(levels, table, shape, request.window)
        cells = cells_on_layer(labels, settings.expand_distance, table, shape, request)
        edited = [anyone_edited(layers) for layers in written]
        told = Told(mends_of(shows, request), digest(data))
        return TableOfResult(numbered(table), (images, cells), edited, told)

    return make


def work_of_plane(
    follower: LiveLayer, plane: Plane, stack: StackLayer, table_of_stack: StackTable, own: Labels | None
) -> Callable[[ProgressCallback], TableOfPlane]:
    """Return what makes the table of what the layer of a stack shows now in one plane.

    Parameters
    ----------
    follower : LiveLayer
        The plane.
    plane : tuple of int
        Where it lies.
    stack : StackLayer
        The stack.
    table_of_stack : StackTable
        The rows of all planes.
    own : Labels or None
        The layer of its cells, if there is one.
    """
    data, labels = follower.copied()
    shows, request = follower.shows, stack.own_request(plane)

    def make(progress: ProgressCallback) -> TableOfPlane:
        table = table_of(labels, follower, shows, request, None)
        cells = cells_of_stack(stack, plane, own, progress, CELLS_KEY)
        whole = table_of_stack.measured(plane, table, request.source.size)
        return TableOfPlane(table, whole, cells, Told(mends_of(shows, request), digest(data)))

    return make
