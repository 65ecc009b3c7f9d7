"""SAM 2's video predictor on planes that are arrays: an object's mask is carried from plane to plane.

The predictor of the package wants a folder of JPEG files or a video, keeps what it computed for every
object and plane, and prints progress bars. Here each plane is prepared when it is needed, as the encoder's
input is in all of this package; what no later plane can look back at is let go; and the order of planes and
objects is the caller's.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from sam2.sam2_video_predictor import SAM2VideoPredictor

from napari_sam2_automask.engine.encoder.encode import model_input, ticking
from napari_sam2_automask.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from sam2.modeling.sam2_base import SAM2Base
    from torch import Tensor

    from napari_sam2_automask.models import Model

__all__ = ["Follower", "Views", "check_memory"]

# The only object of a state; each object has a state of its own.
_ONLY = 1
# What the predictor keeps of objects, and what it is before there is one.
_OF_AN_OBJECT: dict[str, type] = {
    "constants": dict,
    "obj_id_to_idx": OrderedDict,
    "obj_idx_to_id": OrderedDict,
    "obj_ids": list,
    "point_inputs_per_obj": dict,
    "mask_inputs_per_obj": dict,
    "output_dict_per_obj": dict,
    "temp_output_dict_per_obj": dict,
    "frames_tracked_per_obj": dict,
}


def check_memory(model: Model) -> None:
    """Refuse a model that cannot carry objects from plane to plane.

    Raises
    ------
    ModelError
        If its network has no memory.
    """
    network = model.network
    if network.memory_attention is None or network.memory_encoder is None or network.num_maskmem < 2:
        raise ModelError(
            f"the model {model.name} has no memory, so that it cannot propagate objects: choose sam2.1-tiny, "
            "sam2.1-small, sam2.1-base+ or sam2.1-large, or link the planes without propagation"
        )


class Views(Protocol):
    """The planes of a stack as the model is to see them, (Y, X, 3) uint8: a list, or read when needed."""

    def __len__(self) -> int: ...

    def __getitem__(self, plane: int, /) -> NDArray[np.uint8]: ...


class Follower:
    """Carries masks of objects through a stack.

    Parameters
    ----------
    model : Model
        With a memory; its network is used as it is, not copied.
    views : sequence of (Y, X, 3) uint8 arrays
        The planes as the model is to see them, of one shape. Taken one at a time, as they are needed.
    tick : callable
        Called between the layers of the encoder; may raise to stop.

    Raises
    ------
    ModelError
        If the model has no memory.
    """

    def __init__(self, model: Model, views: Views, tick: Callable[[], None] = lambda: None) -> None:
        check_memory(model)
        self._predictor = _Predictor.of(model.network, tick)
        self._frames = _Frames(views, model.image_size)
        self._shape = views[0].shape[:2]
        pointers = int(model.network.max_obj_ptrs_in_encoder)
        self._masks_back = int(model.network.num_maskmem) * int(model.network.memory_temporal_stride_for_eval)
        self._back = max(self._masks_back, pointers)

    @torch.inference_mode()
    def begin(self, plane: int, mask: NDArray[np.bool_]) -> dict[str, Any]:
        """Return the state of an object whose mask (Y, X) on one plane is known."""
        state = self._state()
        self._predictor.add_new_mask(state, plane, _ONLY, np.ascontiguousarray(mask))
        self._predictor.propagate_in_video_preflight(state)
        state["plane"] = plane
        return state

    @torch.inference_mode()
    def step(self, state: dict[str, Any], plane: int, *, backward: bool = False) -> NDArray[np.float32]:
        """Return the mask's logits (Y, X) on a plane, and remember it for the next ones.

        Planes are asked for in order: upwards from the one where the object began, or downwards.
        """
        outputs = state["output_dict_per_obj"][0]
        out, logits = self._predictor._run_single_frame_inference(
            inference_state=state,
            output_dict=outputs,
            frame_idx=plane,
            batch_size=1,
            is_init_cond_frame=False,
            point_inputs=None,
            mask_inputs=None,
            reverse=backward,
            run_mem_encoder=True,
        )
        # The picture of the mask is the caller's; the memory looks at its features.
        outputs["non_cond_frame_outputs"][plane] = out | {"pred_masks": None}
        self._forget(outputs["non_cond_frame_outputs"], plane, state["plane"])
        _, whole = self._predictor._get_orig_video_res_output(state, logits)
        found: NDArray[np.float32] = whole[0, 0].float().cpu().numpy()
        return found

    def packed(self, state: dict[str, Any]) -> dict[str, Any]:
        """Return what an object's state holds beyond the planes: tensors and plain values, not copied."""
        return {name: state[name] for name in ("plane", *_OF_AN_OBJECT)}

    def unpacked(self, packed: dict[str, Any]) -> dict[str, Any]:
        """Return the state of which `packed` was made."""
        return self._state() | packed

    def _forget(self, outputs: dict[int, dict[str, Any]], plane: int, start: int) -> None:
        """Let go what neither the next planes nor those on the other side of the start look back at."""
        for old in list(outputs):
            away = min(abs(old - plane), abs(old - start))
            if away > self._back:
                del outputs[old]
            elif away > self._masks_back:
                outputs[old]["maskmem_features"] = None

    def _state(self) -> dict[str, Any]:
        """Return what the predictor's ``init_state`` does, for these planes and no object."""
        device = self._predictor.device
        return {
            "images": self._frames,
            "num_frames": len(self._frames),
            "video_height": self._shape[0],
            "video_width": self._shape[1],
            "device": device,
            "storage_device": device,
            "offload_video_to_cpu": True,
            "offload_state_to_cpu": False,
            "cached_features": {},
            **{name: kind() for name, kind in _OF_AN_OBJECT.items()},
        }


class _Frames:
    """The planes as the network takes them, prepared when they are asked for."""

    def __init__(self, views: Views, image_size: int) -> None:
        self._views, self._size = views, image_size

    def __len__(self) -> int:
        return len(self._views)

    def __getitem__(self, plane: int) -> Tensor:
        return model_input(self._views[plane], self._size)[0]


class _Predictor(SAM2VideoPredictor):  # type: ignore[misc]
    """The package's predictor around a network that is there already."""

    _tick: Callable[[], None]
    _seen: dict[int, Any]

    @classmethod
    def of(cls, network: SAM2Base, tick: Callable[[], None]) -> _Predictor:
        predictor = cls.__new__(cls)
        # The same modules and weights; what is set below does not reach the network.
        predictor.__dict__.update(network.__dict__)
        predictor.fill_hole_area = 0
        predictor.non_overlap_masks = False
        predictor.clear_non_cond_mem_around_input = False
        predictor.add_all_frames_to_correct_as_cond = False
        predictor.binarize_mask_from_pts_for_mem_enc = True
        predictor._tick = tick
        predictor._seen = {}
        return predictor

    def forward_image(self, image: Tensor) -> Any:
        with ticking(self, self._tick):
            return super().forward_image(image)

    def _get_image_feature(self, inference_state: dict[str, Any], frame_idx: int, batch_size: int) -> Any:
        """Encode a plane once for all objects, whose states are separate."""
        inference_state["cached_features"] = self._seen
        features = super()._get_image_feature(inference_state, frame_idx, batch_size)
        self._seen, inference_state["cached_features"] = inference_state["cached_features"], {}
        return features
