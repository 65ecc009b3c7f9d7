"""Ways of running an image encoder on a GPU, side by side: as it is, in half precision, compiled, as a graph.

The first call of each way counts what it costs to get going: to compile, to record the graph. Differences are
those of the features from what the encoder gives as it is, as shares of its largest value. Crops are encoded
one by one and together, as the engine does on a GPU. Weights are random and seeded.

    python benchmarks/speed/gpu_encoder.py --models large base+ bundled
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "kits"))

if TYPE_CHECKING:
    from collections.abc import Callable

    from sam2.modeling.sam2_base import SAM2Base
    from torch import Tensor

    Way = Callable[[], Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=["large"], help="tiny, base+, large, bundled ...")
    parser.add_argument("--device", default="cuda", help="cuda; on a cpu there is no graph")
    parser.add_argument("--calls", type=int, default=10, help="of which the median is told")
    parser.add_argument(
        "--crops", type=int, default=16, help="crops that are encoded one by one and together"
    )
    arguments = parser.parse_args()
    torch.backends.cudnn.allow_tf32 = False
    print("| model | way | first call, s | each, ms | difference |")
    print("|---|---|---|---|---|")
    with torch.inference_mode():
        for name in arguments.models:
            network = _network(name, arguments.device)
            _compare(name, network, arguments)


def _network(name: str, device: str) -> SAM2Base:
    from random_networks import on_device, random_model  # type: ignore[import-not-found]

    from napari_sam2_automask.models import load_model

    if name == "bundled":
        return load_model("bundled", device=device).network
    network: SAM2Base = on_device(random_model(name), device).network
    return network


def _compare(name: str, network: SAM2Base, arguments: argparse.Namespace) -> None:
    inputs = torch.rand(1, 3, network.image_size, network.image_size, device=arguments.device)
    right: Tensor | None = None
    for title, make in ways(network, inputs).items():
        try:
            first, each, found = timed(make, arguments.calls, arguments.device)
        except Exception as error:  # one way that a card or a version cannot go must not end the others
            print(f"| {name} | {title} | failed: {type(error).__name__}: {str(error)[:200]!r} | | |")
            continue
        right = found if right is None else right
        apart = float((found - right).abs().max() / right.abs().max())
        print(f"| {name} | {title} | {first:.2f} | {1e3 * each:.1f} | {apart:.0e} |", flush=True)
    for title, together in (("crops one by one", 1), (f"crops, {_most(network)} together", _most(network))):
        seconds = crops(network, arguments.crops, together, arguments.device)
        print(f"| {name} | {arguments.crops} {title} | | {1e3 * seconds:.1f} in all | |", flush=True)


def ways(network: SAM2Base, inputs: Tensor) -> dict[str, Callable[[], Way]]:
    """Return what makes each way of encoding, by its name.

    Parameters
    ----------
    network : SAM2Base
        In evaluation mode.
    inputs : (1, 3, size, size) Tensor
        On its device.

    Returns
    -------
    dict of str to callable
        Each returns a function that encodes and returns the embedding, (1, C, h, w).
    """
    from napari_sam2_automask.engine.encoder.half_precision import encode_in_half

    device = inputs.device.type

    def run(encoder: Any = network.image_encoder) -> Tensor:
        embedding: Tensor = encoder(inputs)["vision_features"]
        return embedding

    def in_half() -> Tensor:
        found: Any = encode_in_half(network, run)  # type: ignore[arg-type]
        return found

    def in_half_throughout(encoder: Any = network.image_encoder) -> Tensor:
        with torch.autocast(device, torch.float16 if device == "cuda" else torch.bfloat16):
            return run(encoder).float()

    def compiled() -> Any:
        torch._dynamo.reset()
        return torch.compile(network.image_encoder)

    def compiled_way() -> Way:
        encoder = compiled()
        return lambda: run(encoder)

    def compiled_in_half() -> Way:
        encoder = compiled()
        return lambda: in_half_throughout(encoder)

    found = {
        "as it is": lambda: run,
        "perceptrons in half precision": lambda: in_half,
        "all in half precision": lambda: in_half_throughout,
        "compiled": compiled_way,
        "compiled, in half precision": compiled_in_half,
    }
    if device == "cuda":
        found["as a graph"] = lambda: graph(run)
        found["as a graph, in half precision"] = lambda: graph(in_half_throughout)
    return found


def graph(run: Way) -> Way:
    """Record what a function starts on the GPU, and return what starts all of it at once.

    What it returns is overwritten by the next call.
    """
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):  # libraries choose their ways, which is not to be recorded
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    recorded = torch.cuda.CUDAGraph()
    with torch.cuda.graph(recorded):
        found = run()

    def again() -> Tensor:
        recorded.replay()
        return found

    return again


def timed(make: Callable[[], Way], calls: int, device: str) -> tuple[float, float, Tensor]:
    """Return the seconds of making a way and its first call, the median of later calls, and what it found."""
    start = time.perf_counter()
    run = make()
    found = run()
    _wait(device)
    first, later = time.perf_counter() - start, []
    for _ in range(calls):
        start = time.perf_counter()
        found = run()
        _wait(device)
        later.append(time.perf_counter() - start)
    return first, statistics.median(later), found.clone()


def crops(network: SAM2Base, count: int, together: int, device: str) -> float:
    """Return the seconds of encoding crops, some of them together."""
    inputs = torch.rand(count, 3, network.image_size, network.image_size, device=device)
    network.image_encoder(inputs[:together])
    _wait(device)
    start = time.perf_counter()
    for part in inputs.split(together):
        network.image_encoder(part)
    _wait(device)
    return time.perf_counter() - start


def _most(network: SAM2Base) -> int:
    """Return how many crops the engine encodes together on a GPU."""
    from napari_sam2_automask.engine.crop_features import _TOGETHER

    return max(1, _TOGETHER["cuda"] // network.image_size**2)


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
