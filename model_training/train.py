"""Train the bundled model: python -m model_training.train --data DIR --out DIR.

Three stages. "dense" teaches the trunk where objects and their centres are; then the decoder is wired to use
that (see `model_training.wiring`) and "masks" trains everything on windows; "frames" ends with whole frames
of 512 pixels, since attention over 1024 cells differs from 256. OUT holds state.pt (to go on from), log.csv
and weights.pt (averaged).
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor

from model_training.data import Windows
from model_training.generated import generate
from model_training.records import load_records, split
from model_training.wiring import wire
from napari_sam2_automask.learning.network.training_step import losses_of, optimisers_of, set_rate, take_steps
from napari_sam2_automask.models.networks.bundled import build_bundled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam2_automask.learning.windows.training_image import TrainingImage

COLUMNS = (
    *("stage", "step", "seconds", "here", "offset", "radius"),
    *("mask", "iou", "best", "gap", "box", "corrected"),
)


@dataclass(frozen=True, slots=True)
class Stage:
    """One part of the training: windows of `size`, `batch` of them per process.

    In each `prompts` points are asked, half as many boxes, and some points once more with a correction.

    Before each step with masks, `more` windows of 256 pixels train the trunk alone: it learns from many more
    images in the same time, and is what the masks' quality hangs on.
    """

    name: str
    size: int
    batch: int
    prompts: int
    steps: int
    lr: float
    decay: bool = False
    more: int = 0


def stages(steps: list[int]) -> list[Stage]:
    """Return the schedule with these numbers of steps."""
    return [
        Stage("dense", 256, 8, 4, steps[0], 2e-3),
        Stage("masks", 256, 4, 12, steps[1], 1e-3, more=8),
        Stage("frames", 512, 2, 8, steps[2], 1e-3, decay=True, more=6),
    ]


class Trainer:
    """Model, averaged weights and optimisers of one process."""

    def __init__(self, args: argparse.Namespace, rank: int) -> None:
        torch.manual_seed(args.seed)
        self.args, self.rank = args, rank
        self.device = torch.device(args.device)
        # On a CPU without AMX products in bfloat16 take twice as long as in single precision.
        self.half = self.device.type != "cpu" or torch.cpu._is_amx_tile_supported()
        self.stage, self.step, self.seconds = 0, 0, 0.0
        self.model = build_bundled()
        wire(self.model)
        self.model.to(self.device, memory_format=torch.channels_last)
        self.mean = {k: v.clone() for k, v in self.model.state_dict().items()}
        self.params = [p for p in self.model.parameters() if p.requires_grad]
        self.optimisers = optimisers_of(self.model)

    def load(self) -> None:
        """Go on from OUT/state.pt, or start from the weights given with --init."""
        path = self.args.out / "state.pt"
        if path.exists():
            state = torch.load(path, weights_only=True, map_location=self.device)
            self.model.load_state_dict(state["model"])
            self.mean = state["mean"]
            self.stage, self.step, self.seconds = state["stage"], state["step"], state["seconds"]
            for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
                optimiser.load_state_dict(saved)
        elif self.args.init:
            start = read_weights(self.args.init)
            own = self.model.state_dict()
            fitting = {k: v for k, v in start.items() if k in own and v.shape == own[k].shape}
            self.model.load_state_dict(fitting, strict=False)
            self.mean = {k: v.clone() for k, v in self.model.state_dict().items()}
            self.stage = self.args.first_stage

    def save(self) -> None:
        """Write the state and the averaged weights; a kill in between leaves the old ones."""
        state = {
            "model": self.model.state_dict(),
            "mean": self.mean,
            "optimisers": [o.state_dict() for o in self.optimisers],
            **{"stage": self.stage, "step": self.step, "seconds": self.seconds},
        }
        mean = {k: v.cpu() for k, v in self.mean.items()}
        for name, what in (("state.pt", state), ("weights.pt", mean)):
            torch.save(what, self.args.out / (name + ".part"))
            os.replace(self.args.out / (name + ".part"), self.args.out / name)

    def losses(self, batch: dict[str, Tensor], masks: bool) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of one batch and what to log."""
        batch = {k: v.to(self.device, non_blocking=True) for k, v in batch.items()}
        return losses_of(self.model, batch, self.half, masks)

    def update(self, loss: Tensor, lr: float) -> None:
        """One step with the gradient averaged over the processes."""
        for p in self.params:
            p.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        grads = [p.grad for p in self.params if p.grad is not None]
        flat = torch.cat([g.flatten() for g in grads])
        if dist.is_initialized():
            dist.all_reduce(flat)
            flat /= dist.get_world_size()
        set_rate(self.optimisers, lr * self.args.rate)
        take_steps(self.optimisers, grads, flat)

    @torch.no_grad()
    def average(self, total: int) -> None:
        """Exponential mean of the weights over the last steps, `--average` of them."""
        keep = min(1 - 1 / self.args.average, total / (total + 20))
        state = self.model.state_dict()
        torch._foreach_lerp_([self.mean[name] for name in state], list(state.values()), 1 - keep)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Weights from .pt or .safetensors, in single precision."""
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return {k: v.float() for k, v in load_file(path).items()}
    return {k: v.float() for k, v in torch.load(path, weights_only=True).items()}


def run(rank: int, args: argparse.Namespace, records: list[TrainingImage]) -> None:
    """Train in one process."""
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    torch.set_float32_matmul_precision("high")  # of a GPU, where something is left in single precision
    torch.backends.cudnn.benchmark = True
    if args.processes > 1:
        dist.init_process_group(
            "gloo", init_method=f"tcp://127.0.0.1:{args.port}", rank=rank, world_size=args.processes
        )
    trainer = Trainer(args, rank)
    trainer.load()
    log_path = args.out / "log.csv"
    if rank == 0 and not log_path.exists():
        log_path.write_text(",".join(COLUMNS) + "\n")
    plan = stages(args.steps)
    while trainer.stage < len(plan):
        train_stage(trainer, plan[trainer.stage], records, log_path)
        trainer.stage, trainer.step, trainer.seconds = trainer.stage + 1, 0, 0.0
        if rank == 0:
            trainer.save()


def train_stage(trainer: Trainer, stage: Stage, records: list[TrainingImage], log_path: Path) -> None:
    """Train one stage from where it stands."""
    args = trainer.args
    seed = hash((args.seed, trainer.rank, trainer.stage, trainer.step)) % 2**31
    varied = not args.overfit
    prompts, batch = args.prompts or stage.prompts, (args.batch or stage.batch) * args.factor
    windows = Windows(records, stage.size, batch, prompts, seed, varied, prompts // 2)
    extra = Windows(records, 256, max(stage.more, 1) * args.factor, 1, seed + 1, varied)
    # Windows of a quarter of the size: three take about as long to cut as one.
    helpers = args.workers // 3 if stage.more and args.workers > 1 else int(stage.more > 0)
    batches = _loaded(windows, max(args.workers - helpers, 1), trainer.device)
    others = _loaded(extra, helpers, trainer.device)
    recent: list[dict[str, Tensor]] = []
    start, saved = time.time() - trainer.seconds, time.time()
    first = trainer.step
    while trainer.step < stage.steps:
        done = trainer.step / stage.steps
        if args.minutes and stage.decay:
            done = _agreed(max(done, trainer.seconds / (60 * args.minutes)))
            if done >= 1:
                break
        lr = stage.lr * min(1.0, (trainer.step - first + 1) / args.warm_up)
        if stage.decay:
            lr *= max(0.02, 1 - done)
        for _ in range(args.rounds if stage.more else 0):
            trainer.update(trainer.losses(next(others), False)[0], lr)
        loss, log = trainer.losses(next(batches), stage.name != "dense")
        trainer.update(loss, lr)
        trainer.step += 1
        if stage.name != "dense":
            trainer.average(trainer.step + (10_000 if stage.name != "masks" else 0))
        trainer.seconds = time.time() - start
        recent.append(log)
        if trainer.rank == 0 and trainer.step % 25 == 0:
            means = {k: torch.stack([r[k] for r in recent]).mean().item() for k in recent[0]}
            row: dict[str, Any] = {k: f"{mean:.4f}" for k, mean in means.items()}
            row |= {"stage": stage.name, "step": trainer.step, "seconds": round(trainer.seconds)}
            with log_path.open("a", newline="") as handle:
                csv.DictWriter(handle, COLUMNS, restval="").writerow(row)
            recent = []
        if trainer.rank == 0 and time.time() - saved > args.save_seconds:
            trainer.save()
            saved = time.time()


def _loaded(windows: Windows, workers: int, device: torch.device) -> Iterator[dict[str, Tensor]]:
    """Cut windows in processes of their own, in as many as there are workers."""
    ahead = 6 if workers else None
    pinned = device.type == "cuda"
    return iter(
        torch.utils.data.DataLoader(
            windows, None, num_workers=workers, prefetch_factor=ahead, pin_memory=pinned
        )
    )


def _agreed(value: float) -> float:
    """Return the first process's value in all of them."""
    if not dist.is_initialized():
        return value
    shared = torch.tensor([value])
    dist.broadcast(shared, 0)
    return shared.item()


def main() -> None:
    """Read the arguments and start the processes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, nargs="+", required=True, help="folders with index.csv, images and labels"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for state, log and weights")
    parser.add_argument("--init", type=Path, help="start from these weights (.pt or .safetensors)")
    parser.add_argument(
        "--first-stage", type=int, default=0, help="with --init: stage to begin with (0, 1 or 2)"
    )
    parser.add_argument("--steps", type=int, nargs=3, default=[3000, 6000, 3000], help="of the three stages")
    parser.add_argument("--generated", type=int, default=1200, help="generated images to add")
    parser.add_argument("--overfit", type=int, default=0, help="train on this many images only, as a check")
    parser.add_argument("--minutes", type=float, help="end the last stage after this long")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="threads of each process")
    parser.add_argument("--device", default="cpu", help="cpu or cuda; with cuda one process is enough")
    parser.add_argument("--workers", type=int, default=1, help="processes that cut windows, for each process")
    parser.add_argument("--factor", type=int, default=1, help="batches so many times as large")
    parser.add_argument("--prompts", type=int, help="points asked in each window, instead of the stage's")
    parser.add_argument("--rate", type=float, default=1.0, help="factor on the learning rate")
    parser.add_argument("--batch", type=int, help="windows in a batch, instead of the stage's")
    parser.add_argument("--rounds", type=int, default=1, help="steps of the trunk alone before each other")
    parser.add_argument("--warm-up", type=int, default=50, help="steps until the learning rate is full")
    parser.add_argument("--average", type=float, default=333, help="steps over which weights are averaged")
    parser.add_argument("--port", type=int, default=29511)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save-seconds", type=float, default=180.0)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    records, _ = split([r for root in args.data for r in load_records(root)])
    if args.overfit:
        records = [r for r in records if r.kind == "fluorescence"][:: max(1, 400 // args.overfit)][
            : args.overfit
        ]
    else:
        records = records + generate(args.generated, args.seed, args.out / "generated.npz")
    if args.processes > 1:
        mp.start_processes(  # type: ignore[attr-defined, no-untyped-call]
            run, (args, records), nprocs=args.processes, start_method="fork"
        )
    else:
        run(0, args, records)


if __name__ == "__main__":
    main()
