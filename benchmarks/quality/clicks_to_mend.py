"""How many clicks it takes to put a result right: an automatic user corrects it by the actions of mending.

    python benchmarks/quality/clicks_to_mend.py --data DIR [DIR ...] [--images NAME ...] [--model NAME]
        [--json FILE]

It goes from error to error of the balanced result, an error being an annotated object or a label without a
partner at an IoU of 0.75, until F1 at 0.75 is 0.95 or every error was visited once. It sees what a person
sees, the outlines that tools show before a click, and knows what an object should be. Cost: a press of a
button, a key or a click is 1, a stroke or a box 2, brush or polygon 10. An error that only the brush mends
counts apart, with what was pressed in vain before. "without a brush" is the share of what was repaired that
needed none; errors that were left because F1 was there count in the share of all only. The last columns are
the program's time for each action, from what is stored and by the model.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import distance_transform_edt

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.quality.folder import read_folder
from napari_sam2_automask import Mends, load_model, propose, to_model_view
from napari_sam2_automask.candidates.candidates import Floor
from napari_sam2_automask.engine import ask
from napari_sam2_automask.errors import MendError
from napari_sam2_automask.evaluation.score import iou_matrix
from napari_sam2_automask.mending import Add, Grow, Reshape, Step
from napari_sam2_automask.painting.live import LiveSelection
from napari_sam2_automask.settings.presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmarks.quality.folder import Annotated
    from napari_sam2_automask.geometry.placed import Placed
    from napari_sam2_automask.models import Model

    Point = tuple[float, float]

#: Two of fluorescence, one of stained tissue, of particles and of phase contrast.
IMAGES = (
    "S_dsb_7aa1aaa5e0",
    "S_dsb_a02ec007ae",
    "S_dsb_718751b439",
    "S_pow_Sc2Tile_001-001-000_10",
    "S_usi_05",
)
IOU, ENOUGH = 0.75, 0.95
STROKE, BRUSH, MOST_POINTS, MOST_CLICKS = 2, 10, 3, 4


@dataclass
class Count:
    """What mending one image took."""

    presses: int = 0
    brushed: int = 0
    cleared: int = 0
    cost: dict[str, int] = field(default_factory=Counter)
    repaired: dict[str, int] = field(default_factory=Counter)
    stored: list[float] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)


class User:
    """Mends a result with an eye on what it should be.

    Parameters
    ----------
    mends : Mends
        The result.
    truth : (Y, X) int array
        What it should be.
    ask_model : callable
        Takes points and whether each is on the object, a box or None; returns a mask and a score.
    """

    def __init__(self, mends: Mends, truth: NDArray[np.int32], ask_model: Callable[..., Any]) -> None:
        self.mends, self.truth, self.ask_model = mends, truth, ask_model
        self.count = Count()
        self.tool = ""

    # -- what is right

    def errors(self) -> tuple[list[int], list[int], float]:
        """Return annotated objects and labels without a partner, and F1."""
        labels = self.mends.labels
        here, wanted = np.unique(labels)[1:], np.unique(self.truth[self.truth > 0])
        pairs = iou_matrix(labels, self.truth) >= IOU  # at most one in each row and column
        missing, wrong = wanted[~pairs.any(0)], here[~pairs.any(1)]
        right = int(pairs.sum())
        f1 = 2 * right / max(1, 2 * right + len(missing) + len(wrong))
        return missing.tolist(), wrong.tolist(), f1

    def fits(self, mask: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> bool:
        """Tell whether a mask is right."""
        return bool((mask & wanted).sum() >= IOU * (mask | wanted).sum())

    def right(self, wanted: NDArray[np.bool_]) -> bool:
        """Tell whether an object is right now."""
        here = np.bincount(self.mends.labels[wanted])
        return any(self.fits(self.mends.labels == n, wanted) for n in np.flatnonzero(here[1:]) + 1)

    # -- presses

    def take(self, tool: str) -> None:
        """Press a tool's button, unless it is pressed."""
        self.count.presses += tool != self.tool
        self.tool = tool

    def do(self, act: Callable[[], Any], presses: int = 1) -> bool:
        """Do an action; return whether it could be done."""
        self.count.presses += presses
        began = time.perf_counter()
        try:
            act()
        except MendError:
            return False
        finally:
            self.count.stored.append(time.perf_counter() - began)
        return True

    def preview(self, action: Any, wanted: NDArray[np.bool_]) -> bool:
        """Tell whether the outline under the cursor is what is wanted; looking costs nothing."""
        try:
            shown = self.mends.preview(action)
        except MendError:
            return False
        return any(self.fits(mask.whole(wanted.shape), wanted) for mask in shown.values())

    # -- repairs, in the order in which they are tried

    def mend(self, label: int) -> str:
        """Put one annotated object right; return how."""
        wanted = self.truth == label
        places = _places(wanted)
        for how in (self.merge, self.split, self.step, self.shape, self.clear, self.add, self.ask):
            if how(wanted, places) and self.right(wanted):
                return how.__name__
        self.count.brushed += 1
        painted = self.mends.labels.astype(np.int64)
        painted[wanted] = self.mends.next_label
        self.mends.paint(painted)
        return "brush"

    def merge(self, wanted: NDArray[np.bool_], places: list[Point]) -> bool:
        """Alt+click on each part."""
        labels = self.mends.labels
        inside, whole = np.bincount(labels[wanted]), np.bincount(labels.ravel())
        parts = [n for n in range(1, len(inside)) if inside[n] > 0.5 * whole[n]]
        if len(parts) < 2 or not self.fits(np.isin(labels, parts), wanted):
            return False
        return self.do(lambda: self.mends.merge(*parts), len(parts))

    def split(self, wanted: NDArray[np.bool_], places: list[Point]) -> bool:
        """Click on each annotated object in a label that has several, then Enter."""
        labels = self.mends.labels
        label = int(np.bincount(labels[wanted]).argmax())
        mine = labels == label
        inside = np.bincount(self.truth[mine])
        whole = np.bincount(self.truth.ravel(), minlength=len(inside))
        several = [n for n in range(1, len(inside)) if inside[n] > 0.5 * whole[n]]
        if not label or len(several) < 2:
            return False
        seeds = [_places(mine & (self.truth == n))[0] for n in several]
        self.take("split")
        if not self.do(lambda: self.mends.split(label, seeds=seeds), len(seeds) + 1):
            return False
        if not self.right(wanted):
            self.do(self.mends.undo)
            return False
        return True

    def step(self, wanted: NDArray[np.bool_], places: list[Point]) -> bool:
        """Go on to parts or to the whole, where the outline under the cursor is right."""
        for to in ("parts", "whole"):
            for place in places:
                if self.mends.label_at(place) and self.preview(Step(point=place, to=to), wanted):
                    self.take(to)
                    return self.do(lambda place=place, to=to: self.mends.step(place, to))
        return False

    def shape(self, wanted: NDArray[np.bool_], places: list[Point]) -> bool:
        """Shrink or grow the object there, a pixel at each click, until the outline is right."""
        labels = self.mends.labels
        label = int(np.bincount(labels[wanted]).argmax())
        if not label:
            return False
        away = 1 if np.count_nonzero(labels == label) < np.count_nonzero(wanted) else -1
        for clicks in range(1, MOST_CLICKS + 1):
            if self.preview(Grow(labels=(label,), pixels=away * clicks), wanted):
                self.take("grow" if away > 0 else "shrink")
                return all(self.do(lambda: self.mends.grow(label, pixels=away)) for _ in range(clicks))
        return False

    def clear(self, wanted: NDArray[np.bool_], places: list[Point]) -> bool:
        """Ctrl+click on a label that lies there and is mostly something else, and no object at all."""
        labels = self.mends.labels
        label = int(np.bincount(labels[wanted]).argmax())
        mine = labels == label
        if label and 2 * np.count_nonzero(wanted & mine) <= np.count_nonzero(mine):
            there = np.unique(self.truth[mine])
            if not any(self.fits(mine, self.truth == n) for n in there[there > 0]):
                self.count.cleared += 1
                return self.do(lambda: self.mends.remove(label))
        return False

    def add(self, wanted: NDArray[np.bool_], places: list[Point]) -> bool:
        """Click where the outline under the cursor is right."""
        for place in places:
            if not self.mends.label_at(place) and self.preview(Add(point=place), wanted):
                self.take("add")
                return self.do(lambda place=place: self.mends.add(place))
        return False

    def ask(self, wanted: NDArray[np.bool_], places: list[Point]) -> bool:
        """Ask the model with up to three points, then with a box; Enter takes what is outlined."""
        label = int(np.bincount(self.mends.labels[wanted]).argmax())
        if label and not np.count_nonzero(wanted & (self.mends.labels == label)) * 2 > np.count_nonzero(
            self.mends.labels == label
        ):
            label = 0  # most of what lies there is another object
        self.take("ask")
        points, on = [places[0]], [True]
        for _ in range(MOST_POINTS):
            self.count.presses += 1
            found = self._answer(points, on, None)
            if found is not None and self._takes(label, found, wanted):
                return True
            wrong = wanted if found is None else wanted ^ found[0].whole(wanted.shape)
            points.append(_places(wrong)[0])
            on.append(bool(wanted[tuple(int(n) for n in points[-1])]))
        self.count.presses += 1 + STROKE  # Esc, and a box
        rows, columns = np.flatnonzero(wanted.any(1)), np.flatnonzero(wanted.any(0))
        found = self._answer([], [], (rows[0] - 0.5, columns[0] - 0.5, rows[-1] + 0.5, columns[-1] + 0.5))
        if found is not None and self._takes(label, found, wanted):
            return True
        self.count.presses += 1  # Esc
        return False

    def _answer(self, points: list[Point], on: list[bool], box: Any) -> tuple[Placed, float] | None:
        began = time.perf_counter()
        try:
            return self.ask_model(points, on, box)
        except MendError:
            return None
        finally:
            self.count.asked.append(time.perf_counter() - began)

    def _takes(self, label: int, found: tuple[Placed, float], wanted: NDArray[np.bool_]) -> bool:
        """Press Enter where what would come is right: for a new object, or for the one there."""
        from napari_sam2_automask.mending import RleMask

        placed, score = found
        rle = RleMask.of(placed.mask, placed.y0, placed.x0)
        action = Reshape(label=label, mask=rle, score=score) if label else Add(mask=rle, score=score)
        return self.preview(action, wanted) and self.do(lambda: self.mends.do(action))


def _places(mask: NDArray[np.bool_]) -> list[Point]:
    """Return the deepest pixel of a mask, and some others in it."""
    depth = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    found = []
    for _ in range(5):
        y, x = np.unravel_index(int(depth.argmax()), depth.shape)
        if depth[y, x] < 1:
            break
        found.append((float(y), float(x)))
        yy, xx = np.ogrid[: mask.shape[0], : mask.shape[1]]
        depth = np.where((yy - y) ** 2 + (xx - x) ** 2 < max(depth[y, x], 2) ** 2, 0, depth)
    return found


def mend_all(user: User) -> dict[str, Any]:
    """Visit every error once; return the figures."""
    missing, wrong, before = user.errors()
    errors = begun = len(missing) + len(wrong)
    by_brush = 0
    f1 = before
    visited: set[int] = set()
    while f1 < ENOUGH and (left := [n for n in missing if n not in visited]):
        visited.add(left[0])
        pressed, cleared = user.count.presses, user.count.cleared
        how = user.mend(left[0])
        missing, wrong, f1 = user.errors()
        repaired = errors - len(missing) - len(wrong)
        errors -= repaired
        # A wrong label that was cleared on the way went by a click.
        by_brush += max(0, repaired - (user.count.cleared - cleared)) if how == "brush" else 0
        user.count.repaired[how] += repaired
        user.count.cost[how] += user.count.presses - pressed
    for label in wrong:
        if f1 >= ENOUGH:
            break
        if label in np.unique(user.mends.labels):
            user.do(lambda label=label: user.mends.remove(label))  # Ctrl+click
            missing, now, f1 = user.errors()
            user.count.repaired["remove"] += errors - len(missing) - len(now)
            user.count.cost["remove"] += 1
            errors = len(missing) + len(now)
    repaired = begun - errors - by_brush
    return {
        "errors": begun,
        "repaired": repaired,
        "by brush": by_brush,
        "left": errors,
        "presses": user.count.presses - user.count.cost.get("brush", 0),
        "a repaired error": round(
            (user.count.presses - user.count.cost.get("brush", 0)) / max(1, repaired), 2
        ),
        "brush presses": user.count.cost.get("brush", 0) + BRUSH * user.count.brushed,
        "without a brush": round(repaired / max(1, repaired + by_brush), 2),
        "share of all": round(repaired / max(1, begun), 2),
        "F1 before": round(before, 3),
        "F1 after": round(f1, 3),
        "p95 stored ms": _p95(user.count.stored),
        "p95 model ms": _p95(user.count.asked),
        "how": {name: [user.count.repaired[name], cost] for name, cost in user.count.cost.items()},
    }


def _p95(seconds: list[float]) -> float:
    return round(1000 * float(np.percentile(seconds, 95)), 1) if seconds else 0.0


def user_of(item: Annotated, model: Model) -> User:
    """Segment an image as the viewer does, for a person to mend."""
    settings = PRESETS["balanced"].for_model(model)
    view = to_model_view(item.image)
    floor = Floor.with_room(settings)
    found = propose(item.image, settings, model, floor=(floor.pred_iou, floor.stability))
    live = LiveSelection(found)
    live.prepare()
    diameter = found.object_diameter

    def ask_model(points: list[Point], on: list[bool], box: Any) -> tuple[Placed, float]:
        got = ask(view, model, points, on, box=box, diameter=diameter, threshold=settings.mask_threshold)
        return got.placed, got.score

    return User(Mends(live, settings), item.truth, ask_model)


def main() -> None:
    """Mend the images and print a row for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--images", nargs="*", default=IMAGES, help="what names of images begin with")
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    model = load_model(asked.model)
    told = {}
    for folder in asked.data:
        for item in read_folder(folder):
            if item.complete and item.name.startswith(tuple(asked.images)):
                told[item.name] = mend_all(user_of(item, model))
                print(item.name, item.kind, json.dumps(told[item.name]), flush=True)
                if asked.json is not None:
                    asked.json.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
