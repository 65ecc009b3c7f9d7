"""What is known of a plane after an action."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from napari_sam2_automask.mending.actions import Settle

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam2_automask.errors import AutomaskError
    from napari_sam2_automask.geometry.placed import Placed
    from napari_sam2_automask.mending.actions import Action
    from napari_sam2_automask.mending.mends import Done
    from napari_sam2_automask.mending.state import Kept
    from napari_sam2_automask.painting.live import Change
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["Answer"]


class Answer(NamedTuple):
    """What an action did, and what is to be known after it; made by the thread that did it.

    Attributes
    ----------
    done : Done or None
        The action; None if nothing was done.
    boxes : list of (M, 4) int arrays
        Where labels may have changed.
    settings : AmgSettings
        Those in force.
    change : Change
        What was selected last.
    objects : (K,) int array
        The labels that show; of all levels those too that others cover.
    masks : dict of int to Placed
        The whole masks of the objects that follow the settings, by label.
    kept : dict of int to Kept
        The locked objects.
    removed : frozenset of int
        Objects that were removed.
    next_undo, next_redo : Action, str or None
        What undo would take back, and redo do again; of a change of links its name.
    steps : tuple of Action
        All that counts.
    used : int
        The largest label given out, of a plane of a stack its own.
    undone : tuple of Action
        What was taken back and can be done again, the next one first.
    next_label : int
        The number of the next new object.
    covered : int
        How many objects that were chosen lie wholly under others.
    numbers : (N,) uint32 array or None
        Of a plane of a stack: the number in the stack of each of its labels. `objects`, `kept`, `removed` and
        what the layer holds are such numbers, `masks` and steps have the labels of the plane.
    error : AutomaskError or None
        Why the action could not be done.
    beside : bool
        Whether a person painted beside the part of the plane that was segmented.
    """

    done: Done | None
    boxes: list[NDArray[np.int64]]
    settings: AmgSettings
    change: Change
    objects: NDArray[np.int64]
    masks: dict[int, Placed]
    kept: dict[int, Kept]
    removed: frozenset[int]
    next_undo: Action | str | None
    next_redo: Action | str | None
    steps: tuple[Action, ...] = ()
    used: int = 0
    undone: tuple[Action, ...] = ()
    next_label: int = 1
    covered: int = 0
    numbers: NDArray[np.uint32] | None = None
    error: AutomaskError | None = None
    beside: bool = False

    def mends(self, in_record: Callable[[AmgSettings], AmgSettings]) -> dict[str, Any]:
        """Return what `Mends.to_json` gave then; `in_record` returns settings as a record has them."""
        told = [
            step.model_copy(update={"settings": in_record(step.settings)})
            if isinstance(step, Settle)
            else step
            for step in self.steps
        ]
        return {"steps": [step.to_json() for step in told], "used": self.used}
