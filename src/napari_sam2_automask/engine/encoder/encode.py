"""Image features of a crop, as ``SAM2ImagePredictor.set_image`` computes them, but interruptible."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import Linear
from torch.nn.functional import interpolate

from napari_sam2_automask.engine.tensors.products import by_onednn, linear
from napari_sam2_automask.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from sam2.modeling.sam2_base import SAM2Base

__all__ = [
    "Features",
    "check_finite",
    "encode",
    "encode_together",
    "model_input",
    "not_finite",
    "ticking",
]

# The constants of sam2's SAM2Transforms.
_MEAN = [0.485, 0.456, 0.406]
_STD = [0.229, 0.224, 0.225]


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """What the decoder needs to know about an image.

    Attributes
    ----------
    image_embed : (1, C, h, w) Tensor
        The image embedding.
    high_res : tuple of Tensor
        Features at four times and twice the embedding's resolution, (1, C / 8, 4 h, 4 w) and
        (1, C / 4, 2 h, 2 w); empty for models without them.
    dense : (1, 4, h, w) Tensor or None
        What the bundled model's trunk says of every place; see `CentreTrunk.dense`.
    """

    image_embed: Tensor
    high_res: tuple[Tensor, ...]
    dense: Tensor | None = None

    @property
    def nbytes(self) -> int:
        """Memory in bytes: all that is kept alive, which of a part of a larger tensor is the whole."""
        tensors = [self.image_embed, *self.high_res, *([] if self.dense is None else [self.dense])]
        storages = (tensor.untyped_storage() for tensor in tensors)
        return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def model_input(view: NDArray[np.uint8], image_size: int) -> Tensor:
    """Resize and normalise a crop on the CPU, (Y, X, 3) uint8 to (1, 3, image_size, image_size) float32.

    The same numbers as torchvision's transforms give, without torchvision: its import loads torch's compiler,
    which takes longer than a small image does.
    """
    channels = torch.from_numpy(np.ascontiguousarray(view.transpose(2, 0, 1)))
    scaled = interpolate(
        channels[None].to(torch.float32).div(255),
        size=(image_size, image_size),
        mode="bilinear",
        align_corners=False,
        antialias=True,
    )
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (_MEAN, _STD))
    return scaled.sub_(mean).div_(std)


def encode(network: SAM2Base, view: NDArray[np.uint8], tick: Callable[[], None]) -> Features:
    """Run the image encoder on a crop.

    Parameters
    ----------
    network : SAM2Base
        In evaluation mode.
    view : (Y, X, 3) uint8 array
        The crop.
    tick : callable
        Called between the layers of the encoder; may raise to stop.

    Returns
    -------
    Features
        The predictor's; to within rounding, where linear layers go another way than torch's own.

    Raises
    ------
    ModelError
        If the features hold NaN or infinity.
    """
    return encode_together(network, [view], tick)[0]


def encode_together(
    network: SAM2Base, views: Sequence[NDArray[np.uint8]], tick: Callable[[], None]
) -> list[Features]:
    """Run the image encoder on several crops in one pass.

    Parameters
    ----------
    network : SAM2Base
        In evaluation mode.
    views : sequence of (Y, X, 3) uint8 arrays
        The crops, of any sizes.
    tick : callable
        As for `encode`.

    Returns
    -------
    list of Features
        One for each crop; to within rounding those of the crop alone.

    Raises
    ------
    ModelError
        If the features hold NaN or infinity.
    """
    inputs = torch.cat([model_input(view, network.image_size) for view in views]).to(network.device)
    with ticking(network, tick), _without_positions(network), _suited_linears(network):
        backbone = network.forward_image(inputs)
    levels = list(backbone["backbone_fpn"][-network.num_feature_levels :])
    if network.directly_add_no_mem_embed:
        levels[-1] = levels[-1] + network.no_mem_embed.reshape(1, -1, 1, 1)
    check_finite("image encoder", *levels)
    dense = getattr(network.image_encoder.trunk, "dense", None)
    if len(views) == 1:
        return [Features(levels[-1].contiguous(), tuple(levels[:-1]), dense)]

    def one(tensor: Tensor, k: int) -> Tensor:
        # A part of the whole would keep all of it in memory.
        return tensor[k : k + 1].clone(memory_format=torch.contiguous_format)

    return [
        Features(
            one(levels[-1], k),
            tuple(one(level, k) for level in levels[:-1]),
            None if dense is None else one(dense, k),
        )
        for k in range(len(views))
    ]


def check_finite(part: str, *tensors: Tensor) -> None:
    """Refuse NaN and infinity, which would pass every filter as "no mask".

    Raises
    ------
    ModelError
        If there are any; names the part of the model.
    """
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors):
        raise not_finite(part)


def not_finite(part: str) -> ModelError:
    """Return what :func:`check_finite` raises."""
    return ModelError(
        f"the model's {part} returned values that are not numbers: check the model's weights, "
        "or run on the CPU in single precision"
    )


@contextmanager
def ticking(network: SAM2Base, tick: Callable[[], None]) -> Iterator[None]:
    """Call `tick` before every layer of the encoder, whatever its architecture, while the context lasts."""
    layers = [module for module in network.image_encoder.modules() if not list(module.children())]
    hooks = [layer.register_forward_pre_hook(lambda *_: tick()) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _suited_linears(network: SAM2Base) -> Iterator[None]:
    """Let linear layers multiply by what suits the processor; two thirds of a SAM 2.1 encoder are theirs."""
    modules = network.image_encoder.modules() if by_onednn() else ()
    layers = [module for module in modules if type(module) is Linear and "forward" not in vars(module)]
    for layer in layers:
        layer.forward = partial(linear, weight=layer.weight, bias=layer.bias)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


@contextmanager
def _without_positions(network: SAM2Base) -> Iterator[None]:
    """Leave out the neck's position codes, which only videos need: 90 MB at a model input of 1024 pixels."""
    coder = getattr(getattr(network.image_encoder, "neck", None), "position_encoding", None)
    if coder is None or "forward" in vars(coder):
        yield
        return
    coder.forward = lambda x: x[:, :0]
    try:
        yield
    finally:
        del coder.forward
