"""A GPU that computes nothing, to see what a run would start on one and where it would wait for it."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from copy import deepcopy
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from napari_sam2_automask.engine import prompting
from napari_sam2_automask.engine.decoder import (
    low_rank as decoder,
    mask_head as mask_reading,
    mask_measures as lowres,
    plain,
)
from napari_sam2_automask.engine.encoder.encode import Features
from napari_sam2_automask.engine.tensors import host

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray

_ROOMS = prompting, decoder, host, lowres, mask_reading, plain


class FakeGPU:
    """Runs the engine's device code on tensors without values, which torch says lie on a CUDA device.

    Whatever needs a value raises there: a number, a truth, the places of what is True. What goes from the
    device to the host raises too, unless it goes through `to_host`, which counts and makes values up: half of
    the masks pass predicted IoU, and some of their cells are mixed.

    Attributes
    ----------
    waits : int
        How often the host has waited for the device.
    operations : int
        Operations started on the device.
    """

    def __init__(self) -> None:
        self.waits = self.operations = 0
        self._fake = FakeTensorMode(allow_non_fake_inputs=True)
        self._stack = ExitStack()
        self._rng = np.random.default_rng(0)

    def __enter__(self) -> FakeGPU:
        enter = self._stack.enter_context
        for room in _ROOMS:
            for name in ("to_host", "to_device"):
                if hasattr(room, name):
                    enter(patch.object(room, name, getattr(self, f"_{name}")))
        enter(patch.object(torch.cuda, "current_stream"))
        enter(patch.object(prompting.Asker, "_lane", lambda _: nullcontext()))
        enter(torch.inference_mode())
        enter(self._fake)
        enter(_Guard(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def network(self, network: Any) -> Any:
        """Return a copy of a network on the device."""
        known: dict[int, Any] = {
            id(one): torch.nn.Parameter(self._moved(one), requires_grad=False) for one in network.parameters()
        }
        known.update({id(one): self._moved(one) for one in network.buffers()})
        return deepcopy(network, known)

    def features(self, features: Features) -> Features:
        """Return a copy of features on the device."""
        return Features(
            self._moved(features.image_embed), tuple(self._moved(level) for level in features.high_res)
        )

    def _moved(self, tensor: torch.Tensor) -> torch.Tensor:
        return torch.empty(tensor.shape, dtype=tensor.dtype, device="cuda")

    def _to_device(self, values: NDArray[Any], device: torch.device) -> torch.Tensor:
        assert device.type == "cuda"
        dtype = torch.float32 if values.dtype == np.float32 else torch.int64
        return torch.empty(values.shape, dtype=dtype, device=device)

    def _to_host(self, tensor: torch.Tensor) -> NDArray[Any]:
        assert tensor.device.type == "cuda"
        self.waits += 1
        shape = tuple(tensor.shape)
        if tensor.dtype == torch.float32:
            values = self._rng.random(shape, np.float32)
            values[-1:] = 1  # also says that all numbers are finite
            return values
        if len(shape) == 1:
            return np.full(shape, 3)
        assert shape[1] == 7
        return np.tile(np.array([100, 99, 100, 20, 20, 30, 30]), (shape[0], 1))


class _Guard(TorchDispatchMode):
    """Counts what is started on the device; refuses what would wait for it."""

    def __init__(self, gpu: FakeGPU) -> None:
        super().__init__()
        self._gpu = gpu

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        given, made = (
            {t.device.type for t in tree_leaves(tree) if isinstance(t, torch.Tensor)}
            for tree in ((args, kwargs), result)
        )
        if "cuda" in given and "cpu" in made:
            raise AssertionError(f"{func} waits for the device")
        if "cpu" in given and "cuda" in made and _copies(func) and not _at_once(func, args, kwargs or {}):
            raise AssertionError(f"{func} waits until the device has it")
        if "cuda" in made and not func.is_view:
            self._gpu.operations += 1
        return result


def _copies(func: Any) -> bool:
    return func._schema.name in ("aten::to", "aten::_to_copy", "aten::copy_")


def _at_once(func: Any, args: Any, kwargs: Any) -> bool:
    """Whether something is sent to the device without waiting until it has arrived."""
    given = dict(zip((argument.name for argument in func._schema.arguments), args, strict=False)) | kwargs
    return bool(given.get("non_blocking"))
