"""The planes of a stack's result: each follows its own settings and mends, one at a time is shown."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from functools import partial
from threading import RLock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_sam2_automask._napari.layers.snapshot import resized
from napari_sam2_automask._napari.live.live_layer import LiveLayer
from napari_sam2_automask._napari.live.stack_links import StackLinks
from napari_sam2_automask._napari.run.outcome import digest
from napari_sam2_automask._napari.run.place_result import LAYER_KEY, RECORD_KEY
from napari_sam2_automask._napari.run.stack_outcome import grown, spacing_of
from napari_sam2_automask.errors import MendError
from napari_sam2_automask.mending.actions import Settle, actions_from
from napari_sam2_automask.mending.restoring import restore
from napari_sam2_automask.painting.live import LiveSelection
from napari_sam2_automask.stack.joint_steps import JointSteps, MendsLine
from napari_sam2_automask.stack.plane_mends import PlaneMends

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import pandas as pd
    from napari.layers import Labels
    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.live.live_layer import Act
    from napari_sam2_automask._napari.run.outcome import PlanesFound
    from napari_sam2_automask._napari.run.request import Request
    from napari_sam2_automask.mending.actions import Action
    from napari_sam2_automask.mending.mends import Done, Mends
    from napari_sam2_automask.settings.amg import AmgSettings
    from napari_sam2_automask.stack.linked_history import Steps
    from napari_sam2_automask.stack.links import Links
    from napari_sam2_automask.stack.numbers import Plane

__all__ = ["StackLayer", "Told"]

#: How many planes are ready at a time, and the bytes of pixels that each of them may keep ready.
OPEN, PIXELS = 4, 64 << 20


class Told(NamedTuple):
    """What was done in a plane, in its own labels: what counts, what was taken back, the largest label."""

    steps: tuple[Action, ...] = ()
    undone: tuple[Action, ...] = ()
    used: int = 0

    @property
    def mended(self) -> bool:
        """Whether more than settings were moved."""
        return any(not isinstance(step, Settle) for step in self.steps)


class StackLayer:
    """A Labels layer of a stack.

    Parameters
    ----------
    layer : Labels
        The layer.
    request : Request
        The run, or the last of those that wrote into the layer.
    found : PlanesFound
        What they found.

    Attributes
    ----------
    shown : tuple of int or None
        The plane that a person sees; it stays ready.
    record : mapping
        The record of all its planes.
    linked : StackLinks or None
        Its links and their history; None where each plane is by itself.
    line : JointSteps
        The one history of each of its planes.
    cells_size : tuple
        The size of pixels that the layer of cells was made with, see `ImageSource.size`.
    tell : callable or None
        Writes into the layer's record at once what was done last.
    """

    def __init__(self, layer: Labels, request: Request, found: PlanesFound) -> None:
        self.layer, self.request, self.found = layer, request, found
        self._open: OrderedDict[Plane, LiveLayer] = OrderedDict()
        self._closed = {plane: Told(steps, (), used) for plane, (steps, used) in found.begun.items()}
        self._planes_lock = RLock()
        self.shown: Plane | None = None
        self.cells_size = request.source.size
        # Hashes of the planes that are not ready, as they were last looked at.
        self._digests: dict[Plane, str] = dict(layer.metadata.get(LAYER_KEY, {}).get("digests", {}))
        self.record: Mapping[str, Any] = layer.metadata.get(RECORD_KEY) or {}
        self.linked = None if found.links is None else StackLinks(self, found.links)
        self.line = JointSteps(self.linked or MendsLine())
        self.tell: Callable[[], None] | None = None
        # Numbers up to this one were given out by runs.
        self._largest = found.numbers.largest

    @property
    def told(self) -> dict[Plane, Told]:
        """What was done in each plane in which anything was; as the layer shows it."""
        with self._planes_lock:
            found = {**self._closed, **{plane: _told(one) for plane, one in self._open.items()}}
        return {plane: one for plane, one in sorted(found.items()) if one.steps or one.undone}

    def plane_at(self, viewer: Viewer) -> Plane | None:
        """Return the plane that the viewer shows; None if it shows no whole plane of those segmented."""
        source = self.request.source
        shown = sorted(axis - (viewer.dims.ndim - self.layer.ndim) for axis in viewer.dims.displayed)
        if shown != sorted(source.rows_columns):
            return None
        place = np.asarray(self.layer.world_to_data(viewer.dims.point))
        plane = tuple(round(float(place[axis])) for axis in source.other_axes)
        return plane if plane in self.found.store else None

    def own_request(self, plane: Plane) -> Request:
        """Return the run of one plane."""
        return replace(self.request, indices=(plane,))

    # -- for the thread that does the work

    def open(self, plane: Plane) -> LiveLayer:
        """Return a plane that is ready to be mended; that may take a while.

        Raises
        ------
        CandidatesError
            If what was found there cannot be read any more.
        """
        follower = self._open.get(plane) or self._made(plane)
        with self._planes_lock:
            self._open[plane] = follower
            self._closed.pop(plane, None)
            self._open.move_to_end(plane)
            for other, one in list(self._open.items())[:-1]:
                if len(self._open) > OPEN and not one.waiting and other != self.shown:
                    self._closed[other] = _told(one)
                    self._digests[other] = digest(one.data)
                    del self._open[other]
        return follower

    def edited(self) -> list[Plane]:
        """Return the planes, but for the one that shows, of which pixels may have been edited."""
        data, slices, ready = np.asarray(self.layer.data), self.request.source.slices, self.ready
        return [
            plane
            for plane in self.found.store.planes
            if plane != self.shown
            and (plane in ready or digest(data[slices(plane)]) != self._digests.get(plane))
        ]

    def _made(self, plane: Plane) -> LiveLayer:
        found, settings = self.found, self.request.settings
        live = LiveSelection(found.store.get(plane), limit=PIXELS)
        live.prepare()
        if found.attach is not None:
            found.attach(plane, live)
        mends = PlaneMends(live, settings, numbers=found.numbers, plane=plane)
        known = self._closed.get(plane, Told())
        mends.replay((*known.steps, *known.undone), known.used)
        for _ in known.undone:
            mends.undo()
        cut = self.request.source.slices(plane)
        window = self.request.window
        ran = self.request.start is None
        return LiveLayer(live, self.layer, window, settings, mends=mends, cut=cut, line=self.line, ran=ran)

    # -- other runs and sessions

    def resize(self) -> None:
        """Take note of the size of pixels that the layer has now."""
        request = replace(self.request, source=resized(self.request.source, self.layer))
        self.request = request
        if self.linked is not None:
            links = self.linked.links
            with self.linked.lock:
                links.spacing, links.unit = spacing_of(request.source, links.axis)

    def take(self, request: Request, found: PlanesFound) -> None:
        """Let planes be those of a later run that wrote them into this layer."""
        for plane in found.store.planes:
            with self._planes_lock:
                self._open.pop(plane, None)
                self._closed.pop(plane, None)
            self._digests[plane] = self.layer.metadata[LAYER_KEY]["digests"].get(plane, "")
            self.found.numbers.put(plane, found.numbers.of(plane).items())
        self.found.store.take(found.store)
        self._largest = self.found.numbers.largest
        self.request = request
        if found.links is not None:  # all planes were linked by that run
            self.found = replace(self.found, links=found.links)
            self.linked = StackLinks(self, found.links)
            self.line = JointSteps(self.linked)

    def carrying(self, before: StackLayer) -> list[tuple[Plane, Act]]:
        """Return the actions that take over what was mended in the planes of another run."""

        def act(plane: Plane, mends: Mends) -> Done | None:
            carried = before.open(plane).mends.carried()
            return mends.do(carried) if carried.objects else None

        return [
            (plane, partial(act, plane))
            for plane, one in before.told.items()
            if one.mended and plane in self.found.store
        ]

    def kept(self, told: Mapping[Plane, Told]) -> list[dict[str, Any]]:
        """Return what was done in planes, and their numbers, ready for JSON; for `restoring`."""
        return [
            {
                "plane": list(plane),
                "steps": [step.to_json() for step in one.steps],
                "used": one.used,
                "numbers": [list(pair) for pair in sorted(self.found.numbers.of(plane).items())],
            }
            for plane, one in told.items()
            if one.mended
        ]

    def restoring(
        self, sessions: Sequence[Sequence[Mapping[str, Any]]], links: Any = None
    ) -> Iterator[tuple[Plane, Act]]:
        """Return the actions that do again what `kept` told, of the earliest session first; then the links.

        Raises
        ------
        MendError
            If it cannot be read.
        """
        planes: dict[Plane, list[Mapping[str, Any]]] = {}
        try:
            for one in (one for session in sessions for one in session):
                pairs = [(int(label), int(number)) for label, number in one["numbers"]]
                told = {"steps": actions_from(one["steps"]), "used": int(one["used"]), "numbers": pairs}
                planes.setdefault(tuple(int(place) for place in one["plane"]), []).append(told)
        except (KeyError, TypeError, ValueError) as error:
            raise MendError("the mends that were kept are damaged: mend the objects again") from error
        for plane, kept in planes.items():
            if plane in self.found.store:
                yield plane, partial(self._restore, plane, kept)
        linked = self.linked
        if linked is not None and links is not None:
            yield self.shown or self.found.store.planes[0], lambda mends: linked.restore(links)

    def _restore(self, plane: Plane, kept: Sequence[Mapping[str, Any]], mends: Mends) -> Done | None:
        """Do again what was done in a plane, with the numbers that it gave out where they are free."""
        numbers = self.found.numbers
        others = [other for other in numbers.planes if other != plane]
        for label, number in (pair for one in kept for pair in one["numbers"]):
            new = number > self._largest and any(numbers.label(other, number) for other in others)
            if not new and not numbers.of(plane).get(label):
                numbers.put(plane, [(label, number)])
        return restore(mends, kept)

    # -- for what is saved

    def measured(self, labels: NDArray[Any]) -> pd.DataFrame | None:
        """Return None: only the layer has a table."""
        return None

    # -- links

    @property
    def links(self) -> Links | None:
        """The links of the planes; None where each plane is by itself."""
        return self.found.links

    def position(self, plane: Plane) -> int:
        """Return the number of a plane, as links count them."""
        return self.request.source.all_indices().index(plane)

    def labels_of(self, position: int) -> NDArray[Any]:
        """Return the labels of a plane (Y, X) as the layer holds them, a view."""
        source = self.request.source
        labels: NDArray[Any] = np.asarray(self.layer.data)[source.slices(source.all_indices()[position])]
        return source.oriented(labels)

    def settings(self, plane: Plane) -> AmgSettings:
        """Return what a plane shows."""
        with self._planes_lock:
            follower, told = self._open.get(plane), self._closed.get(plane, Told())
        if follower is not None:
            return follower.shows.settings
        settled = [step.settings for step in told.steps if isinstance(step, Settle)]
        return settled[-1] if settled else self.request.settings

    def distance(self, plane: Plane) -> float:
        """Return how far the objects of a plane are grown to cells; 0 if it is not followed."""
        return self.settings(plane).expand_distance if plane in self.found.store else 0.0

    def cells_of(self, plane: Plane) -> NDArray[Any]:
        """Return the objects of a plane (Y, X) grown to cells, as far as its settings say."""
        labels, distance = self.labels_of(self.position(plane)), self.distance(plane)
        return grown(self.request, labels, distance) if distance > 0 else np.zeros_like(labels)

    @property
    def ready(self) -> dict[Plane, LiveLayer]:
        """The planes that are ready."""
        with self._planes_lock:
            return dict(self._open)

    def known(self) -> dict[Plane, Steps]:
        """Return what was done in each plane, also what the layer does not show yet; for `LinkedHistory`."""
        with self._planes_lock:
            return {**self._closed, **{plane: one.mends for plane, one in self._open.items()}}

    def renumbered(self, planes: Iterable[Plane]) -> None:
        """Take note that planes get other labels by a change of links."""
        for plane in planes:
            self._digests.pop(plane, None)

    def forget_undone(self) -> None:
        """Let what was taken back in planes be done again no more, since links were changed."""
        with self._planes_lock:
            self._closed = {plane: one._replace(undone=()) for plane, one in self._closed.items()}
            for follower in self._open.values():
                follower.mends.forget_undone()


def _told(follower: LiveLayer) -> Told:
    shows = follower.shows
    return Told(shows.steps, shows.undone, shows.used)
