"""Rotary attention whose table is made where the network is made, on the CPU.

Imported by `configs` only, after `import_sam2` has seen to Hydra.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from sam2.modeling.position_encoding import compute_axial_cis
from sam2.modeling.sam.transformer import Attention, RoPEAttention

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CpuRoPEAttention"]


class CpuRoPEAttention(RoPEAttention):  # type: ignore[misc]
    """`RoPEAttention` as sam2 has it, but for one line of its constructor.

    The stock constructor puts `freqs_cis` on the GPU whenever there is one, whatever device the network is
    meant for; its forward moves the table to the device of its input, so nothing else changes.

    Parameters
    ----------
    rope_theta, rope_k_repeat, feat_sizes
        As in `RoPEAttention`.
    *args, **kwargs
        For `Attention`.
    """

    def __init__(
        self,
        *args: Any,
        rope_theta: float = 10000.0,
        rope_k_repeat: bool = False,
        feat_sizes: Sequence[int] = (64, 64),
        **kwargs: Any,
    ) -> None:
        Attention.__init__(self, *args, **kwargs)
        self.compute_cis = partial(
            compute_axial_cis, dim=self.internal_dim // self.num_heads, theta=rope_theta
        )
        self.freqs_cis = self.compute_cis(end_x=feat_sizes[0], end_y=feat_sizes[1])
        self.rope_k_repeat = rope_k_repeat
