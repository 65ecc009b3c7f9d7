"""Link stacks: one assignment over the whole stack against greedy overlap, on generated ground truth.

Run ``python benchmarks/scale/linking.py``; it prints a table in Markdown. Both linkers are given the same
planes, numbered at random in each plane. Greedy overlap takes the pair of highest IoU between neighbouring
planes, then the next, as long as the IoU reaches a threshold; it is shown with the threshold that suits it
best in each kind of stack.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.geometry.overlaps import regions, shifted_overlaps
from napari_sam2_automask.stack.linked_planes import Linked, link_planes

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "kits"))
from moving_objects import (  # type: ignore[import-not-found]
    Stack,
    World,
    generate,
    score,
    truth_of_nodes,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORLDS = {
    "still, clean": World(speed=0.5, drift=0, vanish=0, split=0, spurious=0, outline=0.04),
    "drifting": World(speed=1.0, drift=6.0, vanish=0, split=0),
    "moving fast": World(speed=5.0, drift=0, vanish=0, split=0),
    "touching": World(objects=160, crowding=1.2, speed=1.5, drift=1.0, vanish=0, split=0),
    "splitting": World(objects=30, speed=1.5, drift=1.0, vanish=0, split=0.03),
    "merging": World(objects=120, crowding=1.2, speed=1.5, drift=1.0, vanish=0, split=0, merge=0.02),
    "vanishing and returning": World(speed=1.5, drift=1.0, vanish=0.08, split=0),
    "all of it": World(objects=90, speed=2.5, drift=4.0, vanish=0.04, split=0.01, merge=0.01),
}


def greedy(labels: NDArray[Any], threshold: float) -> NDArray[np.int64]:
    """Give each node, in the order of `Linked.nodes`, a number by greedy overlap of neighbouring planes."""
    numbers: list[NDArray[np.int64]] = []
    count, before = 0, None
    for plane in labels:
        here = regions(plane)
        own = np.zeros(len(here), np.int64)
        if before is not None:
            shared = shifted_overlaps(before, here, np.zeros((len(before), 2), np.int64))
            union = before.areas[shared.a] + here.areas[shared.b] - shared.pixels
            iou = shared.pixels / union
            used = np.zeros(len(before), bool)
            for e in np.argsort(-iou, kind="stable"):
                a, b = shared.a[e], shared.b[e]
                if iou[e] >= threshold and not used[a] and own[b] == 0:
                    used[a], own[b] = True, numbers[-1][a]
        new = own == 0
        own[new] = count + 1 + np.arange(int(new.sum()))
        count += int(new.sum())
        numbers.append(own)
        before = here
    return np.concatenate(numbers)


def event_f1(stack: Stack, linked: Linked, truth: NDArray[Any], kind: str) -> tuple[int, int, int]:
    """Return how many splits or merges were reported rightly, reported, and true.

    Right is an event at most one plane off, between the right two objects; which of them goes on under the
    old number is a convention.
    """
    happened = stack.splits if kind == "split" else stack.merges
    names = {
        n: set(truth[linked.nodes["number"] == n].tolist())
        for n in np.unique(linked.nodes["number"]).tolist()
    }
    true = [(p, a, b) for p, a, b in happened if a in truth and b in truth]
    found = [e for e in linked.events if e.kind == kind]

    def right(p: int, a: int, b: int, plane: int, first: set[int], second: set[int]) -> bool:
        return abs(p - plane) < 2 and ((a in first and b in second) or (b in first and a in second))

    hits = sum(any(right(*t, e.plane, names[e.number], names[e.other]) for t in true) for e in found)
    return hits, len(found), len(true)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stacks", type=int, default=5, help="generated stacks of each kind")
    options = parser.parse_args()
    print(
        "| Stacks | links | F1 greedy | F1 ours | switches greedy | switches ours "
        "| splits: precision / recall | merges: precision / recall | s/stack |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name, world in WORLDS.items():
        print(row(name, world, options.stacks))


def row(name: str, world: World, stacks: int) -> str:
    """Link generated stacks of one kind and return the table's row."""
    ours, seconds, events = [], 0.0, {"split": np.zeros(3, int), "merge": np.zeros(3, int)}
    others: dict[float, list[Any]] = {t: [] for t in (0.01, 0.1, 0.25)}
    for seed in range(100, 100 + stacks):
        stack = generate(world, seed)
        start = time.perf_counter()
        linked = link_planes(stack.labels)
        seconds += time.perf_counter() - start
        truth, plane = truth_of_nodes(stack, linked.nodes), linked.nodes["plane"]
        ours.append(score(linked.nodes["number"], truth, plane, 2))
        for t, scores in others.items():
            scores.append(score(greedy(stack.labels, t), truth, plane, 2))
        for kind in events:
            events[kind] += event_f1(stack, linked, truth, kind)
    best = max(others.values(), key=lambda scores: float(np.mean([s.f1 for s in scores])))
    event = [
        f"{h / f if f else 1:.2f} / {h / t:.2f} of {t}" if t else f"{f} false" for h, f, t in events.values()
    ]
    return (
        f"| {name} | {sum(s.links for s in ours)} | {np.mean([s.f1 for s in best]):.4f} | "
        f"{np.mean([s.f1 for s in ours]):.4f} | {sum(s.switches for s in best)} | "
        f"{sum(s.switches for s in ours)} | {event[0]} | {event[1]} | {seconds / stacks:.2f} |"
    )


if __name__ == "__main__":
    main()
