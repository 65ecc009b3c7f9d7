"""Write the averaged weights as the package ships them.

python -m model_training.export WEIGHTS OUT.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors.torch import load_file, save_file

from model_training.train import read_weights
from napari_sam2_automask.learning.network.weights import between, stored
from napari_sam2_automask.models.networks.bundled import MAX_BYTES, build_bundled

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["export"]


def export(weights: dict[str, Tensor], path: Path, factor: float = 1.0) -> int:
    """Store weights in half precision and read them back into the network.

    Parameters
    ----------
    weights : dict of Tensor
        State of the network.
    path : Path
        The safetensors file to write.
    factor : float
        What the mask logits are multiplied by.

    Returns
    -------
    int
        Size of the file in bytes.

    Raises
    ------
    ValueError
        If the file is too large for the package or a weight is not finite in half precision.
    """
    half = stored(weights, factor)
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
        weights = between(weights, read_weights(args.mean_with), 0.5)
    print(f"{export(weights, args.out, args.sharpen)} bytes")


if __name__ == "__main__":
    main()
