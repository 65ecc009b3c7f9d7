"""The bundled model: a compact network in sam2's own classes, small enough to lie in the package."""

from __future__ import annotations

from sam2.modeling.backbones.image_encoder import FpnNeck, ImageEncoder
from sam2.modeling.position_encoding import PositionEmbeddingSine
from sam2.modeling.sam.transformer import TwoWayTransformer
from sam2.modeling.sam2_base import SAM2Base
from torch import nn

from napari_sam2_automask.models.networks.trunk import CentreTrunk

__all__ = ["IMAGE_SIZE", "MAX_BYTES", "STRIDE", "WEIGHTS", "WIDTH", "build_bundled", "feature_sizes"]

IMAGE_SIZE = 512
"""Side of the square that every image is resized to."""
STRIDE = 16
"""Pixels of that square per image token and direction."""
WIDTH = 256
"""Channels of tokens and image embedding, as in the official models."""
WEIGHTS = "bundled.safetensors"
"""Name of the weights file beside this module; stored in half precision, used in single."""
MAX_BYTES = 12_000_000
"""The weights file must not be larger."""


def feature_sizes(image_size: int = IMAGE_SIZE) -> list[tuple[int, int]]:
    """Return the sides of the feature maps, from fine to coarse.

    sam2's image predictor keeps those for 1024 pixels.

    Returns
    -------
    list of (int, int)
        For strides 4, 8 and 16; to be set as `predictor._bb_feat_sizes`.
    """
    return [(image_size // s, image_size // s) for s in (4, 8, STRIDE)]


def build_bundled() -> SAM2Base:
    """Build the bundled model's network with random weights, in evaluation mode.

    Returns
    -------
    SAM2Base
        Without memory: it segments single images. Its decoder has the official models' shapes but for a
        narrower multilayer perceptron (416 instead of 2048), which is where the weights would be.
    """
    trunk = CentreTrunk()
    position = PositionEmbeddingSine(
        num_pos_feats=WIDTH,
        normalize=True,
        scale=None,
        temperature=10000,
        warmup_cache=False,  # it would put tables on the GPU whatever device the model is meant for
    )
    # The trunk is U-shaped already, so the neck only projects: no level takes anything from a coarser one.
    neck = FpnNeck(position, WIDTH, trunk.channel_list, fpn_top_down_levels=[])
    model = SAM2Base(
        image_encoder=ImageEncoder(trunk, neck, scalp=0),
        memory_attention=None,
        memory_encoder=None,
        num_maskmem=1,
        image_size=IMAGE_SIZE,
        backbone_stride=STRIDE,
        use_high_res_features_in_sam=True,
        directly_add_no_mem_embed=True,
        iou_prediction_use_sigmoid=True,
        multimask_output_in_sam=True,
        multimask_min_pt_num=0,
        multimask_max_pt_num=1,
        use_multimask_token_for_obj_ptr=True,
        pred_obj_scores=False,
        # GELU would be half of the decoder's time on a CPU.
        sam_mask_decoder_extra_args={"activation": nn.ReLU},
    )
    model.sam_mask_decoder.transformer = TwoWayTransformer(
        depth=2, embedding_dim=WIDTH, num_heads=8, mlp_dim=416
    )
    return model.eval()
