"""The mask-generation pipeline of the transformers package with the weights of a network of sam2's classes.

    pip install transformers

Its settings have other names and differ in this from Meta's: a stability equal to the floor is refused, one
threshold serves both suppressions, and points of images that are not square lie elsewhere, since it places
them as if the model's input kept the image's proportions.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sam2.modeling.sam2_base import SAM2Base
    from torch import Tensor

    from napari_sam2_automask.settings.amg import AmgSettings

# In this order: what sam2 calls a weight, and what transformers calls it.
_NAMES = [
    (r"^image_encoder\.trunk\.patch_embed\.proj", "vision_encoder.backbone.patch_embed.projection"),
    (r"^image_encoder\.trunk", "vision_encoder.backbone"),
    (r"^image_encoder\.neck\.convs\.(\d+)\.conv", r"vision_encoder.neck.convs.\1"),
    (r"^no_mem_embed$", "no_memory_embedding"),
    (r"^sam_prompt_encoder\.mask_downscaling\.0", "prompt_encoder.mask_embed.conv1"),
    (r"^sam_prompt_encoder\.mask_downscaling\.1", "prompt_encoder.mask_embed.layer_norm1"),
    (r"^sam_prompt_encoder\.mask_downscaling\.3", "prompt_encoder.mask_embed.conv2"),
    (r"^sam_prompt_encoder\.mask_downscaling\.4", "prompt_encoder.mask_embed.layer_norm2"),
    (r"^sam_prompt_encoder\.mask_downscaling\.6", "prompt_encoder.mask_embed.conv3"),
    (r"^sam_prompt_encoder", "prompt_encoder"),
    (r"^sam_mask_decoder\.output_upscaling\.0", "mask_decoder.upscale_conv1"),
    (r"^sam_mask_decoder\.output_upscaling\.1", "mask_decoder.upscale_layer_norm"),
    (r"^sam_mask_decoder\.output_upscaling\.3", "mask_decoder.upscale_conv2"),
    (r"^sam_mask_decoder", "mask_decoder"),
    (r"\.out_proj\.", ".o_proj."),
    (r"\.norm_final_attn\.", ".layer_norm_final_attn."),
    (r"\.norm(\d)\.", r".layer_norm\1."),
    # Perceptrons of three layers name the first and the last; those of two have no others.
    (r"(_mlps\.\d|_head)\.layers\.0\.", r"\1.proj_in."),
    (r"(_mlps\.\d|_head)\.layers\.1\.", r"\1.layers.0."),
    (r"(_mlps\.\d|_head)\.layers\.2\.", r"\1.proj_out."),
    (r"\.mlp\.layers\.0\.", ".mlp.proj_in."),
    (r"\.mlp\.layers\.1\.", ".mlp.proj_out."),
]
_POSITION = "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
_POINT = r"sam_prompt_encoder\.point_embeddings\.(\d)\.weight"
# For videos only.
_UNUSED = ("memory_", "maskmem_", "mask_downsample.", "no_mem_pos_enc", "no_obj_", "obj_ptr_")


def available() -> bool:
    """Tell whether the package is installed."""
    return find_spec("transformers") is not None


def make_pipeline(network: SAM2Base) -> Any:
    """Return a mask-generation pipeline with a copy of a network's weights.

    Raises
    ------
    RuntimeError
        If a weight has no counterpart on either side.
    """
    from transformers import MaskGenerationPipeline, Sam2ImageProcessor, Sam2Model

    model = Sam2Model(_config(network)).eval()
    model.load_state_dict(_renamed(network))
    side = {"height": network.image_size, "width": network.image_size}
    return MaskGenerationPipeline(model=model, image_processor=Sam2ImageProcessor(size=side), device="cpu")


def generate(pipeline: Any, view: NDArray[np.uint8], settings: AmgSettings) -> int:
    """Run the pipeline as Meta's generator would run with these settings; returns the number of masks."""
    from PIL import Image

    found = pipeline(
        Image.fromarray(view),
        points_per_batch=settings.points_per_batch,
        points_per_crop=settings.points_per_side,
        crops_n_layers=settings.crop_n_layers,
        crop_overlap_ratio=settings.crop_overlap_ratio,
        crop_n_points_downscale_factor=settings.crop_n_points_downscale_factor,
        pred_iou_thresh=settings.pred_iou_thresh,
        stability_score_thresh=settings.stability_score_thresh,
        stability_score_offset=settings.stability_score_offset,
        mask_threshold=settings.mask_threshold,
        crops_nms_thresh=settings.box_nms_thresh,
    )
    return len(found["masks"])


def difference(pipeline: Any, network: SAM2Base, view: NDArray[np.uint8]) -> dict[str, float]:
    """Compare the features of an image, and the masks and ratings of one point in its middle.

    Returns
    -------
    dict
        The largest difference of each, over the largest absolute value.
    """
    import torch
    from sam2.sam2_image_predictor import SAM2ImagePredictor

    predictor = SAM2ImagePredictor(network)
    levels = network.sam_image_embedding_size
    predictor._bb_feat_sizes = [(levels * k, levels * k) for k in (4, 2, 1)]
    middle = torch.full((1, 1, 1, 2), network.image_size / 2)
    with torch.inference_mode():
        predictor.set_image(view)
        # Their own transforms differ by rounding; the networks are compared on one input.
        inputs = predictor._transforms(view)[None]
        theirs = pipeline.model.get_image_embeddings(inputs)
        found = pipeline.model(
            image_embeddings=list(theirs),
            input_points=middle,
            input_labels=torch.ones(1, 1, 1, dtype=torch.int64),
        )
        masks, ratings, _ = predictor._predict(
            middle[0], torch.ones(1, 1, dtype=torch.int), return_logits=True
        )
    own = [*predictor._features["high_res_feats"], predictor._features["image_embed"]]
    low = torch.nn.functional.interpolate(found.pred_masks[0], view.shape[:2], mode="bilinear")
    return {
        "features": max(_apart(a, b) for a, b in zip(own, theirs, strict=True)),
        "mask_logits": _apart(masks, low),
        "predicted_iou": _apart(ratings, found.iou_scores[0]),
    }


def _apart(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max() / a.abs().max())


def _renamed(network: SAM2Base) -> dict[str, Tensor]:
    """Return a network's weights under transformers' names."""
    import torch

    weights = {k: v for k, v in network.state_dict().items() if not k.startswith(_UNUSED)}
    position = weights.pop(_POSITION)
    points = [weights.pop(k) for k in sorted(weights) if re.fullmatch(_POINT, k)]
    result = {_renamed_one(name): weight for name, weight in weights.items()}
    result["prompt_encoder.point_embed.weight"] = torch.cat(points)
    for owner in ("shared_image_embedding", "prompt_encoder.shared_embedding"):
        result[f"{owner}.positional_embedding"] = position
    return result


def _renamed_one(name: str) -> str:
    for pattern, replacement in _NAMES:
        name = re.sub(pattern, replacement, name)
    return name


def _config(network: SAM2Base) -> Any:
    """Return the configuration of a network of the same shape."""
    from transformers import Sam2Config

    trunk, neck, decoder = network.image_encoder.trunk, network.image_encoder.neck, network.sam_mask_decoder
    ends = trunk.stage_ends
    side, width = network.image_size, decoder.transformer_dim
    heads = [trunk.blocks[end].attn.num_heads for end in ends]
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": trunk.channel_list[-1],
        "num_attention_heads": heads[0],
        "image_size": [side, side],
        "blocks_per_stage": [end - start for start, end in zip([-1, *ends], ends, strict=False)],
        "embed_dim_per_stage": trunk.channel_list[::-1],
        "num_attention_heads_per_stage": heads,
        "window_size_per_stage": list(trunk.window_spec),
        "global_attention_blocks": list(trunk.global_att_blocks),
        "window_positional_embedding_background_size": list(trunk.window_pos_embed_bkg_spatial_size),
    }
    layer = decoder.transformer.layers[0]
    return Sam2Config(
        vision_config={
            "model_type": "sam2_vision_model",
            "backbone_config": backbone,
            "backbone_channel_list": list(trunk.channel_list),
            "backbone_feature_sizes": [[side // k, side // k] for k in (4, 8, 16)],
            "fpn_hidden_size": width,
            "fpn_top_down_levels": list(neck.fpn_top_down_levels),
        },
        prompt_encoder_config={"hidden_size": width, "image_size": side},
        mask_decoder_config={
            "hidden_size": width,
            "mlp_dim": layer.mlp.layers[0].out_features,
            "num_attention_heads": layer.self_attn.num_heads,
            "iou_head_hidden_dim": decoder.iou_prediction_head.layers[0].out_features,
        },
    )
