"""Mends of earlier sessions done again below those that were made since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import MendError
from napari_sam2_automask.mending.actions import Settle, actions_from
from napari_sam2_automask.mending.mends import Done

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_sam2_automask.mending.actions import Action, Carry
    from napari_sam2_automask.mending.mends import Mends

__all__ = ["restore"]


def restore(mends: Mends, kept: Sequence[Mapping[str, Any]]) -> Done | None:
    """Do mends of earlier sessions again; objects that were mended in this one come on top of them.

    Parameters
    ----------
    mends : Mends
        Those of this session, with the same start.
    kept : sequence of mapping
        What `Mends.to_json` gave, of the earliest session first; each was made without those before it.

    Returns
    -------
    Done or None
        The last step, with the whole image as its box; None if there is none.

    Raises
    ------
    MendError
        If a step cannot be done again; nothing has changed then.
    """
    own, settings = mends.steps, mends.settings
    start = _common(own, [actions_from(one["steps"]) for one in kept])
    now = _taken_back(mends, start)
    later: list[Carry] = []
    try:
        for one in reversed(kept[1:]):
            _replay(mends, one, start)
            later.insert(0, _taken_back(mends, start))
        for one in kept[:1]:
            _replay(mends, one, start)
    except MendError:
        _taken_back(mends, start)
        mends.replay(own[start:])
        raise
    for carried in (*later, now):
        if carried.objects:
            mends.do(carried)
    moved = any(isinstance(step, Settle) for step in own)
    if moved and settings is not None and settings != mends.settings:
        mends.settle(settings)
    if not mends.steps:
        return None
    height, width = mends.ground.shape
    return Done(mends.steps[-1], (), np.array([[0, 0, height, width]]))


def _common(own: Sequence[Action], kept: Sequence[Sequence[Action]]) -> int:
    """Return with how many steps all begin, such as labels that were there before."""
    alike = 0
    for steps in zip(own, *kept, strict=False):
        if any(step != steps[0] for step in steps):
            break
        alike += 1
    return alike


def _replay(mends: Mends, one: Mapping[str, Any], start: int) -> None:
    mends.replay(one["steps"][start:], int(one.get("used", 0)))


def _taken_back(mends: Mends, start: int) -> Carry:
    """Take everything back but the first steps; return what takes over what was mended after these."""
    carried = mends.carried()
    while mends.next_undo is not None and len(mends.steps) > start:
        mends.undo()
    if any(not isinstance(step, Settle) for step in mends.steps[start:]):
        # Steps that are too old to be taken back stay.
        return type(carried)(objects=())
    before = mends.carried().objects
    return type(carried)(objects=tuple(one for one in carried.objects if one not in before))
