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
from napari_sam2_automask.geometry.placed import Placed, are_of, numbers_in
from napari_sam2_automask.painting.canvas import Canvas
from napari_sam2_automask.painting.hold import Hold
from napari_sam2_automask.painting.mask_store import MaskStore
from napari_sam2_automask.selection.box_nms import BoxTable
from napari_sam2_automask.selection.choosing import choose
from napari_sam2_automask.selection.selecting import drop_mended_duplicates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_sam2_automask.candidates.candidates import Candidates
    from napari_sam2_automask.painting.canvas import Painted
    from napari_sam2_automask.progress import ProgressCallback
    from napari_sam2_automask.selection.choosing import Choice
    from napari_sam2_automask.settings.amg import AmgSettings

    Point = tuple[float, float]
    Box = tuple[float, float, float, float]
    AskModel = Callable[[Sequence[Point], Sequence[bool], Box | None, Placed | None], tuple[Placed, float]]

__all__ = ["Change", "LiveSelection"]


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """What an update did.

    Attributes
    ----------
    settings : AmgSettings
        The settings now in force.
    rows : (K,) int64 array
        Candidates chosen and painted; their labels are these plus one.
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
    ask : callable or None
        Asks the model for one object in the same picture. Takes points y, x, whether each is on the object, a
        box ``y0, x0, y1, x1`` or None, and the object so far or None; returns its pixels and the
        predicted IoU.
    """

    def __init__(self, candidates: Candidates, *, limit: int = 256 << 20) -> None:
        self.candidates = candidates
        self._store = MaskStore(candidates, limit)
        self._canvas = Canvas(candidates.shape, len(candidates))
        self._table: BoxTable | None = None
        self.change: Change | None = None
        self.again: Callable[[AmgSettings, ProgressCallback], Candidates] | None = None
        self.ask: AskModel | None = None

    @property
    def labels(self) -> NDArray[np.unsignedinteger]:
        """The label image, (Y, X) uint16 or uint32; changed in place by updates."""
        return self._canvas.labels

    @property
    def table(self) -> BoxTable | None:
        """What makes `choose` faster, if it was prepared."""
        return self._table

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
        choice = choose(self.candidates, settings, table=self._table)
        masks = {row + 1: placed for row, placed in self._pixels_of(choice, settings).items()}
        painted = self._canvas.choose(masks, settings.overlap)
        if self._canvas.hold is not None and self._canvas.barred:
            choice.removed["locked objects"] = self._canvas.barred
        self.change = self._told(painted, settings, choice.removed)
        return self.change

    def hold(self, hold: Hold | None) -> None:
        """Keep what a person decided, whatever the settings; paint that with the next update or `refresh`."""
        self._canvas.hold = hold

    def refresh(
        self,
        box: tuple[int, int, int, int],
        numbers: Iterable[int] = (),
        around: Iterable[tuple[int, int, int, int]] = (),
        largest: int = 0,
    ) -> Change:
        """Paint anew where what is held has changed, at the settings of the last update.

        Parameters
        ----------
        box : (int, int, int, int)
            ``y0, x0, y1, x1`` of the held pixels that changed, end exclusive.
        numbers : iterable of int
            Objects that were locked, released or removed.
        around : iterable of (int, int, int, int)
            Boxes of whole masks that objects had which went or came back.
        largest : int
            The largest number held.
        """
        assert self.change is not None, "an update comes first"
        self._canvas.widen(largest)
        painted = self._canvas.refresh(box, numbers, around)
        removed = {name: n for name, n in self.change.removed.items() if name != "locked objects"}
        if self._canvas.barred:
            removed["locked objects"] = self._canvas.barred
        self.change = self._told(painted, self.change.settings, removed)
        return self.change

    def _told(self, painted: Painted, settings: AmgSettings, removed: dict[str, int]) -> Change:
        return Change(
            settings=settings,
            rows=np.array(sorted(self._canvas.shown), np.int64) - 1,
            added=np.array(painted.added, np.int64),
            gone=np.array(painted.gone, np.int64),
            boxes=np.array(painted.boxes, np.int64).reshape(-1, 4),
            removed=removed,
        )

    @property
    def shown(self) -> Mapping[int, Placed]:
        """The whole masks that are painted, by row."""
        return {label - 1: placed for label, placed in self._canvas.shown.items()}

    @property
    def masks(self) -> Mapping[int, Placed]:
        """The whole masks that are painted, by label."""
        return self._canvas.shown

    def mask(self, row: int) -> Placed:
        """Return the pixels of any candidate at the settings of the last update."""
        settings = self.candidates.settings if self.change is None else self.change.settings
        box = lookups(self.candidates).measures(settings).boxes[row]
        if settings.min_mask_region_area == 0:
            return self._store.mask(row, settings.mask_threshold, box)
        return self._store.mended(row, settings.mask_threshold, box, settings.min_mask_region_area)[1]

    def visible(self) -> NDArray[np.int64]:
        """Return the labels of which a pixel shows, (K,) sorted; not those that others cover wholly."""
        return numbers_in(self.labels)

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
        held = Hold(self.candidates.shape)
        mine = are_of(np.maximum(labels, 0), ids[ids > 0].tolist())
        np.copyto(held.pixels, labels, where=mine, casting="unsafe")
        held.origin = {n: n for n in ids[ids > 0].tolist()}
        self._canvas.widen(int(ids.max(initial=0)))
        self.hold(held)
        if self.change is not None:
            self.refresh((0, 0, *self.candidates.shape), held.origin)

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
