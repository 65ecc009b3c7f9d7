"""Memory that is used again from tile to tile, so that nothing is allocated in the inner loops."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Hashable

    from torch import Tensor

__all__ = ["Workspace"]


class Workspace:
    """Arrays by name, grown when more is asked for; for one thread.

    A fresh array of a megabyte costs as much as the arithmetic on it, because the system hands it out page by
    page. And what was used last is still in the cache.

    Parameters
    ----------
    like : Tensor
        Gives the type and device of all arrays.
    """

    def __init__(self, like: Tensor) -> None:
        self._like = like
        self._stores: dict[Hashable, Tensor] = {}
        self._views: dict[tuple[Hashable, tuple[int, ...]], Tensor] = {}

    def take(self, name: Hashable, *shape: int) -> Tensor:
        """Return a contiguous array with whatever was in it; the next `take` of this name overwrites it."""
        view = self._views.get((name, shape))
        if view is None:
            view = self._views[name, shape] = self._make(name, shape)
        return view

    def _make(self, name: Hashable, shape: tuple[int, ...]) -> Tensor:
        size = prod(shape)
        store = self._stores.get(name)
        if store is None or len(store) < size:
            # Views of what was too small would keep it alive.
            self._views = {key: view for key, view in self._views.items() if key[0] != name}
            store = self._stores[name] = torch.empty(size, dtype=self._like.dtype, device=self._like.device)
        return store[:size].view(shape)
