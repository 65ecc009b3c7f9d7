"""Write the averaged weights as the package ships them.

python -m model_training.export WEIGHTS OUT.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from model_training.train import read_weights
from napari_sam2_automask.models.networks.bundled import MAX_BYTES, build_bundled

__all__ = ["export", "mean", "sharpen"]


def sharpen(weights: dict[str, Tensor], factor: float) -> dict[str, Tensor]:
    """Multiply all mask logits by a factor.

    The masks stay as they are; the stability score, which compares the mask at logits +1 and -1, rises.
    Needed because outlines learned at a quarter of the resolution are softer than their accuracy would allow.
    """
    out = dict(weights)
    for name, value in weights.items():
        if "output_hypernetworks_mlps" in name and ".layers.2." in name:
            out[name] = value * factor
    return out


def mean(one: dict[str, Tensor], other: dict[str, Tensor]) -> dict[str, Tensor]:
    """Average the weights of two trainings, of which one went on from the other.

    A training that goes on with other images forgets some of what it knew; half-way between start and end
    both are known, often better than at either end.
    """
    return {name: (value + other[name]) / 2 for name, value in one.items()}


def export(weights: dict[str, Tensor], path: Path, factor: float = 1.0) -> int:
    """Store weights in half precision and read them back into the network.

    Parameters
    ----------
    weights : dict of Tensor
        State of the network.
    path : Path
        The safetensors file to write.
    factor : float
        See `sharpen`.

    Returns
    -------
    int
        Size of the file in bytes.

    Raises
    ------
    ValueError
        If the file is too large for the package or a weight is not finite in half precision.
    """
    weights = dict(weights)
    # Mask prompts are not trained: whatever the mask, its path gives the "no mask" embedding.
    none = weights["sam_prompt_encoder.no_mask_embed.weight"]
    weights["sam_prompt_encoder.mask_downscaling.6.bias"] = none[0].clone()
    half = {k: v.to(torch.float16).contiguous() for k, v in sharpen(weights, factor).items()}
    bad = [k for k, v in half.items() if not torch.isfinite(v).all()]
    if bad:
        raise ValueError(f"not finite in half precision: {', '.join(bad)}")
    save_file(half, path, metadata={"format": "pt", "model": "napari-sam2-automask bundled"})
    build_bundled().load_state_dict({k: v.float() for k, v in load_file(path).items()}, strict=True)
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"{path} has {size} bytes; at most {MAX_BYTES} go into the package")
    return size


def main() -> None:
    """Read the arguments and export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path, help="weights.pt of a training")
    parser.add_argument("out", type=Path)
    parser.add_argument("--sharpen", type=float, default=1.0, help="factor on the mask logits")
    parser.add_argument("--mean-with", type=Path, help="take the mean with these weights, not yet sharpened")
    args = parser.parse_args()
    weights = read_weights(args.weights)
    if args.mean_with:
        weights = mean(weights, read_weights(args.mean_with))
    print(f"{export(weights, args.out, args.sharpen)} bytes")


if __name__ == "__main__":
    main()
