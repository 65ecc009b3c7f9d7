"""The configurations of Meta's SAM 2.0 and 2.1 models, as plain Python.

The package's own way, YAML through Hydra's ``instantiate``, needs process-global state and can call anything
that a YAML names. These builders make the same modules with the same arguments; a test compares them with
the YAML files of the installed package.

SAM2Base and its parts are made on the CPU even where CUDA is there: stock sam2 puts some tables on the GPU
while it is being constructed, so that a run on the CPU could die of a full GPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from napari_sam2_automask.models.runtime.sam2_import import import_sam2

if TYPE_CHECKING:
    from sam2.modeling.memory_attention import MemoryAttention
    from sam2.modeling.memory_encoder import MemoryEncoder
    from sam2.modeling.position_encoding import PositionEmbeddingSine
    from sam2.modeling.sam.transformer import RoPEAttention
    from sam2.modeling.sam2_base import SAM2Base

__all__ = ["CONFIGS", "ModelConfig", "Size", "Version", "build_network", "get_config"]

Size: TypeAlias = Literal["tiny", "small", "base+", "large"]
Version: TypeAlias = Literal["2.0", "2.1"]


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """What tells one of Meta's SAM 2 models from another.

    Attributes
    ----------
    version : str
        ``"2.0"`` (July 2024) or ``"2.1"`` (September 2024).
    size : str
        ``"tiny"``, ``"small"``, ``"base+"`` or ``"large"``.
    embed_dim, num_heads : int
        Channels and attention heads of the trunk's first stage; both double from stage to stage.
    stages : tuple of int
        Blocks in each of the four stages.
    global_att_blocks : tuple of int
        Blocks that attend to the whole image instead of a window.
    background_size : tuple of int
        Height and width of the coarse position embedding.
    window_spec : tuple of int
        Window side in each stage.
    """

    version: Version
    size: Size
    embed_dim: int
    num_heads: int
    stages: tuple[int, int, int, int]
    global_att_blocks: tuple[int, int, int]
    background_size: tuple[int, int]
    window_spec: tuple[int, int, int, int]

    @property
    def name(self) -> str:
        """Short name such as ``"sam2.1-base+"``."""
        return f"sam{self.version.removesuffix('.0')}-{self.size}"

    @property
    def yaml_name(self) -> str:
        """Path of the same in the sam2 package, such as ``"configs/sam2.1/sam2.1_hiera_t.yaml"``."""
        family = f"sam{self.version.removesuffix('.0')}"
        letter = self.size if self.size == "base+" else self.size[0]
        return f"configs/{family}/{family}_hiera_{letter.replace('base+', 'b+')}.yaml"

    @property
    def channels(self) -> list[int]:
        """Channels of the trunk's four outputs, deepest first."""
        return [self.embed_dim * 2**stage for stage in (3, 2, 1, 0)]


def _both_versions() -> dict[str, ModelConfig]:
    configs = {}
    version: Version
    for version in ("2.1", "2.0"):
        for config in (
            ModelConfig(version, "tiny", 96, 1, (1, 2, 7, 2), (5, 7, 9), (7, 7), (8, 4, 14, 7)),
            ModelConfig(version, "small", 96, 1, (1, 2, 11, 2), (7, 10, 13), (7, 7), (8, 4, 14, 7)),
            ModelConfig(version, "base+", 112, 2, (2, 3, 16, 3), (12, 16, 20), (14, 14), (8, 4, 14, 7)),
            ModelConfig(version, "large", 144, 2, (2, 6, 36, 4), (23, 33, 43), (7, 7), (8, 4, 16, 8)),
        ):
            configs[config.name] = config
    return configs


#: All eight, by name: ``"sam2.1-tiny"`` to ``"sam2-large"``.
CONFIGS = _both_versions()


def get_config(size: Size, version: Version = "2.1") -> ModelConfig:
    """Return the configuration of one of Meta's models.

    Raises
    ------
    KeyError
        If there is no such size or version.
    """
    return CONFIGS[f"sam{version.removesuffix('.0')}-{size}"]


def build_network(config: ModelConfig, *, apply_postprocessing: bool = True) -> SAM2Base:
    """Build one of Meta's networks with random weights.

    Parameters
    ----------
    config : ModelConfig
        Which one.
    apply_postprocessing : bool
        As in ``sam2.build_sam.build_sam2``, where it is also on by default: a single mask that is not stable
        is replaced by the best of three. It has an effect only where one mask per point is asked for.

    Returns
    -------
    SAM2Base
        On the CPU, float32, in training mode as torch makes it.

    Raises
    ------
    ModelError
        If the sam2 package cannot be imported.
    """
    import_sam2()
    from sam2.modeling.backbones.hieradet import Hiera
    from sam2.modeling.backbones.image_encoder import FpnNeck, ImageEncoder
    from sam2.modeling.sam2_base import SAM2Base

    trunk = Hiera(
        embed_dim=config.embed_dim,
        num_heads=config.num_heads,
        stages=config.stages,
        global_att_blocks=config.global_att_blocks,
        window_pos_embed_bkg_spatial_size=config.background_size,
        window_spec=config.window_spec,
    )
    neck = FpnNeck(
        position_encoding=_sine_encoding(256),
        d_model=256,
        backbone_channel_list=config.channels,
        fpn_top_down_levels=[2, 3],
        fpn_interp_model="nearest",
    )
    return SAM2Base(
        image_encoder=ImageEncoder(trunk=trunk, neck=neck, scalp=1),
        memory_attention=_memory_attention(),
        memory_encoder=_memory_encoder(),
        **_base_arguments(config.version, apply_postprocessing),
    )


def _base_arguments(version: Version, apply_postprocessing: bool) -> dict[str, Any]:
    """Arguments of SAM2Base that are not modules: the same for all sizes."""
    newer = version == "2.1"
    stability = {
        "dynamic_multimask_via_stability": True,
        "dynamic_multimask_stability_delta": 0.05,
        "dynamic_multimask_stability_thresh": 0.98,
    }
    return {
        "num_maskmem": 7,
        "image_size": 1024,
        "sigmoid_scale_for_mem_enc": 20.0,
        "sigmoid_bias_for_mem_enc": -10.0,
        "use_mask_input_as_output_without_sam": True,
        "directly_add_no_mem_embed": True,
        "no_obj_embed_spatial": newer,
        "use_high_res_features_in_sam": True,
        "multimask_output_in_sam": True,
        "iou_prediction_use_sigmoid": True,
        "use_obj_ptrs_in_encoder": True,
        "add_tpos_enc_to_obj_ptrs": newer,
        "proj_tpos_enc_in_obj_ptrs": newer,
        "use_signed_tpos_enc_to_obj_ptrs": newer,
        "only_obj_ptrs_in_the_past_for_eval": True,
        "pred_obj_scores": True,
        "pred_obj_scores_mlp": True,
        "fixed_no_obj_ptr": True,
        "multimask_output_for_tracking": True,
        "use_multimask_token_for_obj_ptr": True,
        "multimask_min_pt_num": 0,
        "multimask_max_pt_num": 1,
        "use_mlp_for_obj_ptr_proj": True,
        "sam_mask_decoder_extra_args": stability if apply_postprocessing else None,
    }


def _sine_encoding(features: int) -> PositionEmbeddingSine:
    from sam2.modeling.position_encoding import PositionEmbeddingSine

    # warmup_cache is the one argument that differs from the YAML: it would fill a cache on the GPU.
    return PositionEmbeddingSine(
        num_pos_feats=features, normalize=True, scale=None, temperature=10000, warmup_cache=False
    )


def _memory_attention() -> MemoryAttention:
    from sam2.modeling.memory_attention import MemoryAttention, MemoryAttentionLayer

    layer = MemoryAttentionLayer(
        activation="relu",
        dim_feedforward=2048,
        dropout=0.1,
        pos_enc_at_attn=False,
        self_attention=_rope_attention(),
        d_model=256,
        pos_enc_at_cross_attn_keys=True,
        pos_enc_at_cross_attn_queries=False,
        cross_attention=_rope_attention(rope_k_repeat=True, kv_in_dim=64),
    )
    return MemoryAttention(d_model=256, pos_enc_at_input=True, layer=layer, num_layers=4)


def _rope_attention(**extra: Any) -> RoPEAttention:
    from napari_sam2_automask.models.networks.rope import CpuRoPEAttention

    return CpuRoPEAttention(
        rope_theta=10000.0,
        feat_sizes=[64, 64],
        embedding_dim=256,
        num_heads=1,
        downsample_rate=1,
        dropout=0.1,
        **extra,
    )


def _memory_encoder() -> MemoryEncoder:
    from sam2.modeling.memory_encoder import CXBlock, Fuser, MaskDownSampler, MemoryEncoder

    block = CXBlock(dim=256, kernel_size=7, padding=3, layer_scale_init_value=1e-6, use_dwconv=True)
    return MemoryEncoder(
        out_dim=64,
        position_encoding=_sine_encoding(64),
        mask_downsampler=MaskDownSampler(kernel_size=3, stride=2, padding=1),
        fuser=Fuser(layer=block, num_layers=2),
    )
