"""One run of each generator that benchmarks/speed/speed.py compares, with the time of its stages.

Each side is made of a model and returns a function that runs it. What a run reports under "rle" is time that
a side spends on run lengths, which ours does not make.
"""

from __future__ import annotations

import warnings
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import transformers_pipeline
from stopwatch import now, timed

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam2_automask.candidates.candidates import Floor
    from napari_sam2_automask.models import Model
    from napari_sam2_automask.settings.amg import AmgSettings

    Run = Callable[[AmgSettings, Floor | None], dict[str, Any]]

__all__ = ["SIDES"]

_ENGINE = "napari_sam2_automask.engine"
_OURS = {
    "encoder": [(f"{_ENGINE}.crop_features", "encode_together")],
    "measure": [(f"{_ENGINE}.decoder.mask_measures.Resizer", "measure")],
    "upscale": [(f"{_ENGINE}.decoder.upscaling.Upscaler", "logits")],
    "transformer": [(f"{_ENGINE}.decoder.low_rank.LowRankDecoder", "_transform")],
}
_AMG = "sam2.automatic_mask_generator"
_META = {
    "rle": [(_AMG, "mask_to_rle_pytorch"), (_AMG, "rle_to_mask"), (_AMG, "area_from_rle")],
    "encoder": [("sam2.sam2_image_predictor.SAM2ImagePredictor", "set_image")],
    "decoder": [("sam2.modeling.sam.mask_decoder.MaskDecoder", "forward")],
    "resize": [("sam2.utils.transforms.SAM2Transforms", "postprocess_masks")],
    "stability": [(_AMG, "calculate_stability_score")],
    "boxes": [(_AMG, "batched_mask_to_box")],
}
_SAM2 = "transformers.models.sam2"
_PROCESSING = f"{_SAM2}.image_processing_sam2"
_TRANSFORMERS = {
    "rle": [(_PROCESSING, "_mask_to_rle"), (_PROCESSING, "_rle_to_mask")],
    "encoder": [(f"{_SAM2}.modeling_sam2.Sam2Model", "get_image_embeddings")],
    "decoder": [(f"{_SAM2}.modeling_sam2.Sam2MaskDecoder", "forward")],
    "resize": [(f"{_PROCESSING}.Sam2ImageProcessor", "post_process_masks")],
    "stability": [(_PROCESSING, "_compute_stability_score")],
    "boxes": [(_PROCESSING, "_batched_mask_to_box")],
}


def _ours(model: Model, view: NDArray[np.uint8]) -> Run:
    from napari_sam2_automask.engine import propose
    from napari_sam2_automask.engine.decoder.upscaling import Upscaler
    from napari_sam2_automask.engine.encoder.cache import features_cache
    from napari_sam2_automask.selection.selecting import select

    def run(settings: AmgSettings, floor: Floor | None) -> dict[str, Any]:
        features_cache.clear()
        spent: dict[str, float] = {}
        upscaled = [0]
        original = Upscaler.logits

        def counted(self: Upscaler, prompts: list[Any], work: Any) -> Any:
            upscaled[0] += len(prompts)
            return original(self, prompts, work)

        with patch.object(Upscaler, "logits", counted), _stages(spent, _OURS):
            found = propose(view, settings, model, floor=floor)
        start = now()
        masks = select(found, settings)
        spent["select"] = now() - start
        return {
            "masks": len(masks),
            "candidates": len(found),
            "candidate_bytes": found.nbytes,
            "masks_above_iou": 3 * settings.point_prompts - found.removed["predicted IoU"],
            "prompts": settings.point_prompts,
            "upscaled": upscaled[0],
            "removed": dict(masks.removed),
            "stages": spent,
        }

    return run


def _meta(model: Model, view: NDArray[np.uint8]) -> Run:
    from napari_sam2_automask.models import meta_generator

    def run(settings: AmgSettings, _floor: Floor | None) -> dict[str, Any]:
        spent: dict[str, float] = {}
        with warnings.catch_warnings(), _stages(spent, _META):
            warnings.simplefilter("ignore")
            records = meta_generator(model, settings).generate(view)
        return {"masks": len(records), "stages": spent}

    return run


def _transformers(model: Model, view: NDArray[np.uint8]) -> Run:
    """Hold transformers' pipeline, checked to be the same network.

    Raises
    ------
    RuntimeError
        If the two networks differ by more than rounding.
    """
    pipeline = transformers_pipeline.make_pipeline(model.network)
    apart = transformers_pipeline.difference(pipeline, model.network, view)
    if max(apart.values()) > 1e-4:
        raise RuntimeError(f"the converted network gives something else: {apart}")

    def run(settings: AmgSettings, _floor: Floor | None) -> dict[str, Any]:
        spent: dict[str, float] = {}
        with _stages(spent, _TRANSFORMERS):
            masks = transformers_pipeline.generate(pipeline, view, settings)
        return {"masks": masks, "stages": spent, "difference_of_networks": apart}

    return run


SIDES: dict[str, Callable[[Model, NDArray[np.uint8]], Run]] = {
    "ours": _ours,
    "meta": _meta,
    "transformers": _transformers,
}
"""What can be compared, by name."""


def _stages(spent: dict[str, float], stages: dict[str, list[tuple[str, str]]]) -> ExitStack:
    """Measure stages while the context lasts."""
    spent.update(dict.fromkeys(stages, 0.0))
    stack = ExitStack()
    for stage, functions in stages.items():
        for owner, name in functions:
            stack.enter_context(timed(spent, stage, owner, name))
    return stack
