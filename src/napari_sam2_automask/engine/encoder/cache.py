"""Image features kept between runs, so that another grid on the same image pays only for its points."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from napari_sam2_automask.engine.encoder.feature_folder import FeatureFolder, weights_digest
from napari_sam2_automask.engine.encoder.heap import trim_heap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from sam2.modeling.sam2_base import SAM2Base

    from napari_sam2_automask.engine.encoder.encode import Features

__all__ = ["FOLDER_LIMIT", "LIMIT", "FeatureCache", "features_cache", "keep_features_in"]

_State = tuple[tuple[int, int], ...]

LIMIT = 256_000_000
"""Bytes of features kept for each network; those used longest ago go first."""
FOLDER_LIMIT = 4_000_000_000
"""Bytes of features kept in a folder, unless told otherwise."""


class FeatureCache:
    """Features by the pixels that they were computed from and the state of the weights.

    Parameters
    ----------
    limit : int
        Bytes kept for each network; may be changed at any time.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._kept: WeakKeyDictionary[SAM2Base, OrderedDict[bytes, Features]] = WeakKeyDictionary()
        self._lock = Lock()
        self._digests: WeakKeyDictionary[SAM2Base, tuple[_State, bytes]] = WeakKeyDictionary()
        self._grown = False
        self.folder: FeatureFolder | None = None

    @property
    def nbytes(self) -> int:
        """Memory in bytes of all that is kept."""
        with self._lock:
            return sum(f.nbytes for mine in self._kept.values() for f in mine.values())

    @contextmanager
    def settling(self) -> Iterator[None]:
        """After a ``with`` block in which features were computed, let no free memory lie between them."""
        try:
            yield
        finally:
            grown, self._grown = self._grown, False
            if grown:
                trim_heap()

    def get(
        self, network: SAM2Base, view: NDArray[np.uint8], compute: Callable[[], Features], how: str = ""
    ) -> Features:
        """Return kept features, or compute and keep them.

        Parameters
        ----------
        network : SAM2Base
            The network; features computed before its weights changed are not found.
        view : (Y, X, 3) uint8 array
            The crop.
        compute : callable
            Computes the features.
        how : str
            Features computed in another way are not found.
        """
        state = _state(network)
        pixels = _pixels_digest(view) + how.encode()
        key = pixels + repr(state).encode()
        with self._lock:
            mine = self._kept.setdefault(network, OrderedDict())
            if key in mine:
                mine.move_to_end(key)
                return mine[key]
        features = self._from_folder(network, state, pixels, compute)
        with self._lock:
            mine[key] = features
            self._grown |= network.device.type == "cpu"
            while len(mine) > 1 and sum(f.nbytes for f in mine.values()) > self.limit:
                mine.popitem(last=False)
        return features

    def _from_folder(
        self, network: SAM2Base, state: _State, pixels: bytes, compute: Callable[[], Features]
    ) -> Features:
        folder = self.folder
        if folder is None:
            return compute()
        known = self._digests.get(network)
        if known is None or known[0] != state:
            known = self._digests[network] = state, weights_digest(network)
        key = pixels + known[1]
        features = folder.load(key, network.device)
        if features is None:
            features = compute()
            folder.save(key, network.device, features)
        return features

    def clear(self) -> None:
        """Forget everything, for instance because memory ran out; what lies in a folder stays."""
        with self._lock:
            self._kept.clear()


def _pixels_digest(view: NDArray[np.uint8]) -> bytes:
    digest = hashlib.blake2b(np.ascontiguousarray(view).data, digest_size=20)
    digest.update(repr(view.shape).encode())
    return digest.digest()


def _state(network: SAM2Base) -> _State:
    """Tell weights apart quickly: replaced ones have another address, changed ones another version."""
    return tuple((p.data_ptr(), 0 if p.is_inference() else p._version) for p in network.parameters())


features_cache = FeatureCache()
"""The cache that `propose` uses."""


def keep_features_in(folder: Path | str | None, limit: int = FOLDER_LIMIT) -> None:
    """Keep the features of every image that is segmented from now on in a folder as well.

    An image that was encoded by the same weights is then not encoded again, in whatever process.

    Parameters
    ----------
    folder : path or None
        The folder, made if need be; None to stop.
    limit : int
        Bytes of features to keep; those used longest ago go first. A 1024 x 1024 pixel model input needs
        14 MB.
    """
    features_cache.folder = None if folder is None else FeatureFolder(Path(folder), limit)
