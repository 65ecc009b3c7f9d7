"""What a layer's metadata say of what it shows now: settings, counts, mends, the digest of its pixels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_sam2_automask._napari.run.place_result import LAYER_KEY, RECORD_KEY, request_key
from napari_sam2_automask.mending.actions import Settle
from napari_sam2_automask.mending.segmented import mended_record
from napari_sam2_automask.record.record import RECORD_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam2_automask._napari.live.answer import Answer
    from napari_sam2_automask._napari.live.live_layer import LiveLayer
    from napari_sam2_automask._napari.live.stack_layer import StackLayer
    from napari_sam2_automask._napari.run.controller import Finished
    from napari_sam2_automask._napari.run.request import Request
    from napari_sam2_automask.settings.amg import AmgSettings
    from napari_sam2_automask.stack.numbers import Plane

__all__ = ["mends_of", "retell", "retell_joined", "retell_stack"]


def retell(
    follower: LiveLayer, finished: Finished, settings: AmgSettings, mends: dict[str, Any] | None, shown: str
) -> None:
    """Write into the layer's metadata what it shows now: settings, counts, the digest of its pixels.

    Parameters
    ----------
    follower : LiveLayer
        The layer that followed the settings.
    finished : Finished
        The run that it came from.
    settings : AmgSettings
        What it shows.
    mends : dict or None
        The entry ``mends`` of the record, if there is one.
    shown : str
        The digest of the pixels that these settings and mends gave, made by a thread that can wait.
    """
    layer = follower.layer
    request = replace(finished.request, settings=settings, custom=True)
    info = layer.metadata.get(LAYER_KEY)
    record = layer.metadata.get(RECORD_KEY)
    if isinstance(info, dict):
        info["key"] = request_key(request, finished.image)
        # What a person edited is not ours to replace: its digest no longer fits.
        if not (follower.locked or follower.rejected):
            info["digests"] = {(): shown}
    if isinstance(record, dict):
        removed = {name: int(n) for name, n in follower.removed.items()}
        layer.metadata[RECORD_KEY] = {
            **_sized(record, request),
            "settings": request.asked.to_json(),
            "proposal": finished.request.asked.to_json(),  # the numbers are those of its candidates
            "objects": len(follower.objects),
            "removed": removed,
            **({} if mends is None else {"format_version": RECORD_VERSION, "mends": mends}),
        }
        if mends is None:
            layer.metadata[RECORD_KEY].pop("mends", None)


def _sized(record: Mapping[str, Any], request: Request) -> dict[str, Any]:
    """Return a record that tells the size of pixels that a run knows."""
    (height, width), unit = request.source.size
    told = {name: value for name, value in record.items() if name not in ("pixel_size", "unit")}
    return {**told, **({"pixel_size": [height, width], "unit": unit} if unit else {})}


def mends_of(shows: Answer, request: Request) -> dict[str, Any] | None:
    """Return the entry ``mends`` of the record; None where no more than settings were moved."""
    if not any(not isinstance(step, Settle) for step in shows.steps):
        return None

    def in_record(settings: AmgSettings) -> AmgSettings:
        return replace(request, settings=settings).asked

    return mended_record(request.asked, shows.mends(in_record))


def retell_stack(
    stack: StackLayer,
    follower: LiveLayer,
    settings: AmgSettings,
    mends: dict[str, Any] | None,
    shown: str,
) -> None:
    """Write into the layer's metadata what it shows now in one plane of a stack.

    Parameters
    ----------
    stack : StackLayer
        The stack.
    follower : LiveLayer
        The plane.
    settings : AmgSettings
        What it shows.
    mends : dict or None
        The entry ``mends`` of the plane's record, if there is one.
    shown : str
        The digest of the plane's pixels that these settings and mends gave.
    """
    layer, plane = follower.layer, follower.plane
    assert plane is not None
    info, record = layer.metadata.get(LAYER_KEY), layer.metadata.get(RECORD_KEY)
    if isinstance(info, dict) and not (follower.locked or follower.rejected):
        info["digests"][plane] = shown
    places = [tuple(one) for one in (record or {}).get("viewer", {}).get("planes") or ()]
    if not isinstance(record, dict) or plane not in places:
        return
    request = stack.own_request(plane)
    told = {
        "settings": replace(request, settings=settings).asked.to_json(),
        "proposal": request.asked.to_json(),
        "objects": len(follower.objects),
        "removed": {name: int(n) for name, n in follower.removed.items()},
        "mends": mends,
    }
    planes = [_sized(one, request) for one in record.get("planes") or [record]]
    for place, one in zip(places, planes, strict=True):
        one["numbers"] = [list(pair) for pair in sorted(stack.found.numbers.of(place).items())]
        one["format_version"] = RECORD_VERSION
    mine = planes[places.index(plane)]
    mine |= told
    if mends is None:
        del mine["mends"]
    if stack.links is not None and isinstance(record.get("link"), dict):
        spacing, events = stack.links.spacing, [event.text for event in stack.links.events]
        told = {"spacing": spacing and list(spacing), "unit": stack.links.unit, "events": events}
        record = {**record, "link": {**record["link"], **told}}
        mine |= {"link": record["link"]} if "planes" not in record else {}
    every = {**_sized(record, request), "format_version": RECORD_VERSION, "planes": planes}
    whole = every if "planes" in record else mine
    layer.metadata[RECORD_KEY] = stack.record = whole


def retell_joined(stack: StackLayer) -> None:
    """Write into the layer's metadata the record of all planes, after a later run wrote some into it."""
    now = stack.layer.metadata.get(RECORD_KEY)
    if not isinstance(now, dict):
        return
    every = {**_planes_in(stack.record), **_planes_in(now)}
    places = sorted(every)
    if len(places) > 1:
        # Planes were numbered in the order in which they were run.
        numbers = stack.found.numbers
        planes = [
            {
                **every[place],
                "numbers": [list(pair) for pair in sorted(numbers.of(place).items())],
            }
            for place in places
        ]
        now = {name: value for name, value in now.items() if name not in ("mends", "numbers")}
        now |= {"planes": planes, "format_version": RECORD_VERSION}
        now["viewer"] = {**now["viewer"], "planes": [list(place) for place in places]}
    stack.layer.metadata[RECORD_KEY] = stack.record = now


def _planes_in(record: Mapping[str, Any]) -> dict[Plane, Mapping[str, Any]]:
    """Return the record of each plane that a record is of."""
    places = [tuple(place) for place in record.get("viewer", {}).get("planes") or ()]
    return dict(zip(places, record.get("planes") or [record], strict=True)) if places else {}
