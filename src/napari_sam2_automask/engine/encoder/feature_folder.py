"""Image features in a folder, so that an image that was encoded once need not be again, even tomorrow."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save as pack

from napari_sam2_automask.disk.atomic import write_one
from napari_sam2_automask.engine.encoder.encode import Features

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base

__all__ = ["FeatureFolder", "weights_digest"]

_VERSION = version("napari-sam2-automask")
# To be counted up when features are computed otherwise.
_FORMAT = 1
_SUFFIX = ".features.safetensors"
# What our files are called, and no others: they are deleted when there are too many.
_OURS = "[0-9a-f]" * 40 + _SUFFIX


def weights_digest(network: SAM2Base) -> bytes:
    """Return a hash of everything that a network's output depends on but its input."""
    digest = hashlib.blake2b(repr(network).encode(), digest_size=20)
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.digest()


class FeatureFolder:
    """Features in files named by a hash of the pixels and of the weights; those used longest ago go first.

    Several processes may share a folder. What cannot be read or written is as if it were not there.

    Parameters
    ----------
    folder : Path
        Made when it is first written to.
    limit : int
        Bytes of features kept.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder, self._limit = Path(folder), limit

    def load(self, key: bytes, device: torch.device) -> Features | None:
        """Return kept features on a device, or None.

        Parameters
        ----------
        key : bytes
            Hash of pixels and weights.
        device : torch.device
            Also part of the name, since devices differ in the last places.
        """
        path = self._path(key, device)
        try:
            tensors = load_file(path, device=str(device))
            os.utime(path)
            return Features(tensors["image"], _levels(tensors), tensors.get("dense"))
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError, KeyError):
            _remove(path)
            return None

    def save(self, key: bytes, device: torch.device, features: Features) -> None:
        """Keep features, and remove the oldest that the limit leaves no room for."""
        tensors = {"image": features.image_embed}
        tensors |= {f"level {i}": level for i, level in enumerate(features.high_res)}
        if features.dense is not None:
            tensors["dense"] = features.dense
        path = self._path(key, device)
        with suppress(OSError, SafetensorError):
            packed = pack({name: tensor.contiguous() for name, tensor in tensors.items()})
            write_one(path, packed, durable=False, parents=True)
            self._make_room()

    def _path(self, key: bytes, device: torch.device) -> Path:
        name = hashlib.blake2b(key + f"{_FORMAT} {_VERSION} {device.type}".encode(), digest_size=20)
        return self._folder / f"{name.hexdigest()}{_SUFFIX}"

    def _make_room(self) -> None:
        files = [(p.stat().st_mtime_ns, p.stat().st_size, p) for p in self._folder.glob(_OURS)]
        excess = sum(size for _, size, _ in files) - self._limit
        for _, size, path in sorted(files)[:-1]:
            if excess <= 0:
                break
            path.unlink(missing_ok=True)
            excess -= size


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _levels(tensors: dict[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
    return tuple(tensors[f"level {i}"] for i in range(sum(name.startswith("level") for name in tensors)))
