"""A small network with a memory, of sam2's classes, with random seeded weights."""

from __future__ import annotations

import torch

from napari_sam2_automask.models import Model, import_sam2

IMAGE_SIZE = 128
WIDTH, MEMORY = 64, 16


def video_model(seed: int = 0) -> Model:
    """Return a network as SAM 2.1 is built, sixteen times smaller; its masks mean nothing."""
    import_sam2()
    from sam2.modeling.backbones.hieradet import Hiera
    from sam2.modeling.backbones.image_encoder import FpnNeck, ImageEncoder
    from sam2.modeling.memory_attention import MemoryAttention, MemoryAttentionLayer
    from sam2.modeling.memory_encoder import CXBlock, Fuser, MaskDownSampler, MemoryEncoder
    from sam2.modeling.position_encoding import PositionEmbeddingSine
    from sam2.modeling.sam2_base import SAM2Base

    from napari_sam2_automask.models.networks.configs import _base_arguments
    from napari_sam2_automask.models.networks.rope import CpuRoPEAttention

    def sine(features):
        return PositionEmbeddingSine(features, normalize=True, temperature=10000, warmup_cache=False)

    def rope(**extra):
        sides = [IMAGE_SIZE // 16] * 2
        return CpuRoPEAttention(
            feat_sizes=sides, embedding_dim=WIDTH, num_heads=1, downsample_rate=1, dropout=0.1, **extra
        )

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trunk = Hiera(
            embed_dim=16, num_heads=1, stages=(1, 1, 2, 1), global_att_blocks=(3,), window_spec=(8, 4, 4, 4)
        )
        neck = FpnNeck(
            sine(WIDTH), WIDTH, trunk.channel_list, fpn_top_down_levels=[2, 3], fpn_interp_model="nearest"
        )
        layer = MemoryAttentionLayer(
            activation="relu",
            dim_feedforward=2 * WIDTH,
            dropout=0.1,
            pos_enc_at_attn=False,
            self_attention=rope(),
            d_model=WIDTH,
            pos_enc_at_cross_attn_keys=True,
            pos_enc_at_cross_attn_queries=False,
            cross_attention=rope(rope_k_repeat=True, kv_in_dim=MEMORY),
        )
        encoder = MemoryEncoder(
            out_dim=MEMORY,
            in_dim=WIDTH,
            position_encoding=sine(MEMORY),
            mask_downsampler=MaskDownSampler(embed_dim=WIDTH, kernel_size=3, stride=2, padding=1),
            fuser=Fuser(CXBlock(WIDTH, kernel_size=7, padding=3, use_dwconv=True), num_layers=2),
        )
        network = SAM2Base(
            image_encoder=ImageEncoder(trunk, neck, scalp=1),
            memory_attention=MemoryAttention(WIDTH, pos_enc_at_input=True, layer=layer, num_layers=2),
            memory_encoder=encoder,
            **_base_arguments("2.1", True) | {"image_size": IMAGE_SIZE},
        )
        # sam2 starts some of its weights at zero, where training takes them away from it.
        for parameter in network.parameters():
            if parameter.dim() == 1 or not parameter.any():
                parameter.data += 0.1 * torch.randn_like(parameter)
        # It says of every object that it is there.
        network.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.data += 10
    return Model("random", network.requires_grad_(False).eval(), torch.device("cpu"))
