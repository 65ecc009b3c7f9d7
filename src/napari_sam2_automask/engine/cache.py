"""Image features kept between runs, so that another grid on the same image pays only for its points."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from sam2.modeling.sam2_base import SAM2Base

    from napari_sam2_automask.engine.encode import Features

__all__ = ["LIMIT", "FeatureCache", "features_cache"]

LIMIT = 256_000_000
"""Bytes of features kept for each network; those used longest ago go first."""


class FeatureCache:
    """Features by the pixels that they were computed from and the state of the weights.

    Parameters
    ----------
    limit : int
        Bytes kept for each network.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._kept: WeakKeyDictionary[SAM2Base, OrderedDict[bytes, Features]] = WeakKeyDictionary()
        self._lock = Lock()

    def get(self, network: SAM2Base, view: NDArray[np.uint8], compute: Callable[[], Features]) -> Features:
        """Return kept features, or compute and keep them.

        Parameters
        ----------
        network : SAM2Base
            The network; features computed before its weights changed are not found.
        view : (Y, X, 3) uint8 array
            The crop.
        compute : callable
            Computes the features.
        """
        key = _key(network, view)
        with self._lock:
            mine = self._kept.setdefault(network, OrderedDict())
            if key in mine:
                mine.move_to_end(key)
                return mine[key]
        features = compute()
        with self._lock:
            mine[key] = features
            while len(mine) > 1 and sum(f.nbytes for f in mine.values()) > self._limit:
                mine.popitem(last=False)
        return features

    def clear(self) -> None:
        """Forget everything, for instance because memory ran out."""
        with self._lock:
            self._kept.clear()


def _key(network: SAM2Base, view: NDArray[np.uint8]) -> bytes:
    digest = hashlib.blake2b(np.ascontiguousarray(view).data, digest_size=20)
    # Weights that were replaced have another address, weights that were changed another version.
    state = [(p.data_ptr(), 0 if p.is_inference() else p._version) for p in network.parameters()]
    digest.update(repr((view.shape, state)).encode())
    return digest.digest()


features_cache = FeatureCache()
"""The cache that `propose` uses."""
