"""Live selection: new settings in, changed labels out, as fast as a slider moves.

Everything that takes time is made once by :meth:`LiveSelection.prepare`, in a thread that can wait. An update
then looks up scores, areas and boxes, and repaints only the masks that came or went. The labels are those of
``paint(select(candidates, settings))``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_automask.candidates.lookups import lookups
from napari_sam2_automask.errors import CandidatesError
from napari_sam2_automask.geometry.placed import Placed
from napari_sam2_automask.painting.canvas import Canvas
from napari_sam2_automask.painting.labels import painting_order
from napari_sam2_automask.painting.mask_store import MaskStore
from napari_sam2_automask.selection.box_nms import BoxTable
from napari_sam2_automask.selection.choosing import choose
from napari_sam2_automask.selection.selecting import drop_mended_duplicates

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from napari_sam2_automask.candidates.candidates import Candidates
    from napari_sam2_automask.progress import ProgressCallback
    from napari_sam2_automask.selection.choosing import Choice
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["Change", "LiveSelection"]

# A candidate of which this share is covered by locked objects is one of them.
_COVERED = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """What an update did.

    Attributes
    ----------
    settings : AmgSettings
        The settings now in force.
    rows : (K,) int64 array
        Candidates chosen; their labels are these plus one.
    added, gone : (A,), (G,) int64 arrays
        Labels that came and went; a mask that was mended differently did both.
    boxes : (M, 4) int64 array
        ``y0, x0, y1, x1`` of the parts of the labels that changed, end exclusive.
    removed : dict
        How many candidates each filter removed.
    """

    settings: AmgSettings
    rows: NDArray[np.int64]
    added: NDArray[np.int64]
    gone: NDArray[np.int64]
    boxes: NDArray[np.int64]
    removed: dict[str, int]


class LiveSelection:
    """Labels that follow the settings.

    Parameters
    ----------
    candidates : Candidates
        What a proposal found.
    limit : int
        Bytes of pixels to keep at most.

    Attributes
    ----------
    change : Change or None
        What the last update did.
    again : callable or None
        Proposes again in the same picture; takes settings and a progress callback, returns Candidates.
    """

    def __init__(self, candidates: Candidates, *, limit: int = 256 << 20) -> None:
        self.candidates = candidates
        self._store = MaskStore(candidates, limit)
        self._canvas = Canvas(candidates.shape, len(candidates))
        self._table: BoxTable | None = None
        self._blocked: NDArray[np.bool_] | None = None
        self._shown: dict[int, Placed] = {}
        self._overlap = ""
        self.change: Change | None = None
        self.again: Callable[[AmgSettings, ProgressCallback], Candidates] | None = None

    @property
    def labels(self) -> NDArray[np.unsignedinteger]:
        """The label image, (Y, X) uint16 or uint32; changed in place by updates."""
        return self._canvas.labels

    def prepare(self, tick: Callable[[], None] | None = None) -> None:
        """Make everything that updates look up; `tick` is called often and may raise to stop."""
        from napari_sam2_automask.candidates.thresholds import make_ladder

        found = lookups(self.candidates)
        found.adopt(make_ladder(self.candidates, tick, self._store.steps))
        found.prepare(tick)
        if self._table is None and len(self.candidates) <= BoxTable.LARGEST:
            self._table = BoxTable(self.candidates)

    def update(self, settings: AmgSettings) -> Change:
        """Choose by new settings and repaint what changes.

        Parameters
        ----------
        settings : AmgSettings
            The settings.

        Returns
        -------
        Change
            What changed.

        Raises
        ------
        CandidatesError
            If the candidates cannot answer for these settings, see `choosing.needs_run`; nothing has changed.
        """
        choice = choose(self.candidates, settings, table=self._table, blocked=self._blocked)
        shown = self._pixels_of(choice, settings)
        gone = [row for row, placed in self._shown.items() if not _is_same(shown.get(row), placed)]
        added = [row for row, placed in shown.items() if not _is_same(self._shown.get(row), placed)]
        rows = np.array(list(shown), np.int64)
        areas = np.array([placed.area for placed in shown.values()], np.int64)
        order = rows[painting_order(rows, areas, settings.overlap)]
        if settings.overlap != self._overlap or 2 * (len(gone) + len(added)) > len(shown):
            boxes = self._repaint(shown, order)
        else:
            boxes = self._repair(shown, gone, added, order)
        self._shown, self._overlap = shown, settings.overlap
        self.change = Change(
            settings=settings,
            rows=np.sort(rows),
            added=np.array(added, np.int64) + 1,
            gone=np.array(gone, np.int64) + 1,
            boxes=np.array(boxes, np.int64).reshape(-1, 4),
            removed=choice.removed,
        )
        return self.change

    @property
    def shown(self) -> Mapping[int, Placed]:
        """The whole masks that the last update chose, by row."""
        return self._shown

    def visible(self) -> NDArray[np.int64]:
        """Return the labels of which a pixel shows, (K,) sorted; not those that others cover wholly."""
        seen = np.zeros(int(self.labels.max(initial=0)) + 1, bool)
        seen[self.labels.ravel()] = True
        seen[0] = False
        return np.flatnonzero(seen)

    def lock(self, labels: NDArray[np.integer], ids: NDArray[np.integer]) -> None:
        """Keep objects that a person accepted or edited as they are, whatever the settings.

        Parameters
        ----------
        labels : (Y, X) int array
            The label image as the person left it.
        ids : (L,) int array
            Labels in it to lock, all of them (an empty array unlocks everything); new ones are fine.

        Raises
        ------
        CandidatesError
            If the label image has another shape.
        """
        labels, ids = np.asarray(labels), np.asarray(ids).astype(np.int64)
        if labels.shape != tuple(self.candidates.shape):
            raise CandidatesError(
                f"the labels have the shape {labels.shape}, the candidates were found in an image of "
                f"{tuple(self.candidates.shape)}: choose the labels of that image"
            )
        self._canvas.lock(labels, ids[ids > 0])
        self._blocked = self._covered(ids)
        # Whatever was painted there before is not known to be right: the next update paints all.
        self._overlap = ""

    def histogram(
        self, name: str, settings: AmgSettings, bins: int = 50
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Count the candidates by a score.

        Parameters
        ----------
        name : {"predicted_iou", "stability_score", "area"}
            The score; areas are counted by their logarithm to base 10.
        settings : AmgSettings
            For the stability offset and the mask threshold.
        bins : int
            How many.

        Returns
        -------
        counts, edges : (bins,) and (bins + 1,) arrays
            As of ``numpy.histogram``.
        """
        measures = lookups(self.candidates).measures(settings)
        if name == "area":
            return np.histogram(np.log10(np.maximum(measures.area, 1)), bins=bins)
        values = self.candidates.predicted_iou if name == "predicted_iou" else measures.stability
        floor = self.candidates.floor
        lowest = floor.pred_iou if name == "predicted_iou" else floor.stability
        return np.histogram(np.clip(values, lowest, 1), bins=bins, range=(min(lowest, 0.99), 1))

    def _pixels_of(self, choice: Choice, settings: AmgSettings) -> dict[int, Placed]:
        """Return the masks of the rows chosen."""
        threshold, smallest = settings.mask_threshold, settings.min_mask_region_area
        boxes = choice.measures.boxes[choice.rows]
        rows = choice.rows.tolist()
        if smallest == 0:
            return {row: self._store.mask(row, threshold, box) for row, box in zip(rows, boxes, strict=True)}
        both = [
            self._store.mended(row, threshold, box, smallest) for row, box in zip(rows, boxes, strict=True)
        ]
        kept, arrays, places = drop_mended_duplicates(
            choice.rows,
            [plain.mask for plain, _ in both],
            [mended.mask for _, mended in both],
            boxes,
            settings,
            choice.removed,
        )
        as_made = dict(zip(rows, (mended for _, mended in both), strict=True))
        return {
            row: as_made[row] if as_made[row].mask is array else Placed.at(box[1], box[0], array)
            for row, array, box in zip(kept.tolist(), arrays, places, strict=True)
        }

    def _repaint(self, shown: dict[int, Placed], order: NDArray[np.int64]) -> list[tuple[int, int, int, int]]:
        self._canvas.rank(order + 1)
        self._canvas.repaint([(row + 1, shown[row]) for row in order.tolist()])
        return [(0, 0, *self.candidates.shape)]

    def _repair(
        self, shown: dict[int, Placed], gone: list[int], added: list[int], order: NDArray[np.int64]
    ) -> list[tuple[int, int, int, int]]:
        """Take off what is gone, then put on what came."""
        boxes = []
        new = set(added)
        stays = [row for row in order.tolist() if row not in new]
        extents = np.array([shown[row].extent for row in stays], np.int64).reshape(-1, 4)
        labels = np.array(stays, np.int64) + 1
        for row in gone:
            placed = self._shown[row]
            y0, x0, y1, x1 = placed.extent
            near = (extents[:, 0] < y1) & (extents[:, 2] > y0) & (extents[:, 1] < x1) & (extents[:, 3] > x0)
            near &= self._canvas.is_below(labels, row + 1)
            under = [(stays[k] + 1, shown[stays[k]]) for k in np.flatnonzero(near)[::-1].tolist()]
            box = self._canvas.take(row + 1, placed, under)
            if box is not None:
                boxes.append(box)
        self._canvas.rank(order + 1)
        for row in added:
            if self._canvas.put(row + 1, shown[row]):
                boxes.append(shown[row].extent)
        return boxes

    def _covered(self, ids: NDArray[np.integer]) -> NDArray[np.bool_] | None:
        """Return which candidates are locked objects or lie under them, (N,) bool."""
        locked = self._canvas.locked
        if locked is None:
            return None
        blocked = np.zeros(len(self.candidates), bool)
        threshold = self.candidates.settings.mask_threshold
        for row, (x0, y0, x1, y1) in enumerate(self.candidates.boxes):
            under = locked[y0 : y1 + 1, x0 : x1 + 1]
            if under.any():
                mask = self._store.mask(row, threshold, self.candidates.boxes[row]).mask
                blocked[row] = np.count_nonzero(mask & under) > _COVERED * self.candidates.area[row]
        own = ids[(ids > 0) & (ids <= len(blocked))] - 1
        blocked[own] = True
        return blocked


def _is_same(other: Placed | None, placed: Placed) -> bool:
    """Tell whether a candidate shows the same pixels before and after."""
    if other is None or other.extent != placed.extent or other.area != placed.area:
        return False
    return other.mask is placed.mask or np.array_equal(other.mask, placed.mask)
