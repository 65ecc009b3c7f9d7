"""Stacks, in z or in time: an object keeps its number from plane to plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from napari_sam2_automask.errors import ImageError, SettingsError
from napari_sam2_automask.geometry.overlaps import Regions, regions
from napari_sam2_automask.settings.numbers import COST, LENGTH, PATIENCE, SCORE, shown
from napari_sam2_automask.settings.units import in_micrometres
from napari_sam2_automask.stack.assignment import Edges, assign, candidate_edges, drifts
from napari_sam2_automask.stack.splits_and_merges import Event, find_events

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Event", "Linked", "link_planes", "linked_table", "number_planes"]

Axis: TypeAlias = Literal["z", "t"]


@dataclass(frozen=True, slots=True, eq=False)
class Linked:
    """Objects followed through a stack.

    Attributes
    ----------
    labels : ndarray of uint16 or uint32, shape (P, Y, X)
        0 for background, otherwise the object's number, the same in all planes. Numbers run from 1 in the
        order of first appearance.
    table : pandas.DataFrame
        One row per object, see `link_planes`.
    events : tuple of Event
        Splits and merges, in order of plane.
    nodes : dict of str to ndarray
        One entry per object and plane: ``number``, ``plane``, ``label`` (in the labels given), ``area``
        (pixels), ``y``, ``x`` (centroid, pixels); ordered by plane, then label.
    """

    labels: NDArray[np.unsignedinteger[Any]]
    table: pd.DataFrame
    events: tuple[Event, ...]
    nodes: dict[str, NDArray[Any]]


def link_planes(
    labels: ArrayLike | Sequence[ArrayLike],
    *,
    axis: Axis = "z",
    max_gap: int = 2,
    min_iou: float = 0.02,
    gap_cost: float = 0.1,
    spacing: tuple[float, float, float] | None = None,
    unit: str = "px",
) -> Linked:
    """Give each object one number through all planes of a stack.

    Objects are linked by how much they overlap, after taking out the drift of the whole picture and the
    movement of each object in the planes before. One assignment over the whole stack picks the links, those
    over skipped planes included, so that a link is not taken merely because it came first.

    Parameters
    ----------
    labels : array_like of int, shape (P, Y, X)
        The planes' labels, 0 for background, numbered in each plane independently. A list of planes or a
        lazy array (dask, zarr) is read a plane at a time.
    axis : {"z", "t"}
        What the planes are: sections of a body, which gives volumes, or moments in time.
    max_gap : int
        Planes in a row that an object may be missing in and still keep its number.
    min_iou : float
        Least intersection over union, after movement is taken out, of two planes' views of one object.
    gap_cost : float
        Taken off the IoU for each plane skipped, so that a nearer link of nearly the same worth wins.
    spacing : (float, float, float), optional
        Distance between planes, height and width of a pixel, in `unit` (for time, the first is not used).
    unit : str
        The unit of length.

    Returns
    -------
    Linked
        Its table has the columns ``index`` (the number), ``first_plane``, ``last_plane``, ``planes`` (such as
        ``"0-4, 6"``), ``n_planes``, ``n_missing`` (planes between first and last without it), ``voxels``
        (pixels in all planes), ``mean_area``, ``max_area`` (pixels), ``centroid_p``, ``centroid_y``,
        ``centroid_x`` (pixels, weighted by area), ``split_from`` and ``merged_into`` (numbers, 0 for none),
        and with `spacing` in a unit of length ``volume_um3`` (z) or ``mean_area_um2`` (time).

    Raises
    ------
    ImageError
        If the labels are not a stack of planes of equal shape with whole numbers from 0.
    SettingsError
        If `axis`, `max_gap`, `min_iou`, `gap_cost` or `spacing` is out of its range.
    """
    _check(axis, max_gap, min_iou, gap_cost, spacing)
    planes = _planes(labels)
    offsets = np.concatenate([[0], np.cumsum([len(p) for p in planes])]).astype(np.intp)
    nodes = _nodes(planes)
    drift = drifts(planes)
    # First with the drift alone; its links say how each object moves, and the second round expects that.
    moved = _expected(nodes, drift, max_gap, None)
    edges = candidate_edges(planes, offsets, moved)
    successor = assign(edges, len(nodes["plane"]), min_iou, gap_cost)
    again = candidate_edges(planes, offsets, _expected(nodes, drift, max_gap, successor))
    edges = _better(edges, again, len(nodes["plane"]))
    successor = assign(edges, len(nodes["plane"]), min_iou, gap_cost)
    nodes["number"] = _numbers(successor)
    events = find_events(nodes, edges, successor)
    return Linked(
        _paint(planes, offsets, nodes["number"]),
        linked_table(nodes, events, axis, spacing, unit),
        events,
        nodes,
    )


def number_planes(
    labels: ArrayLike | Sequence[ArrayLike],
    *,
    axis: Axis = "z",
    spacing: tuple[float, float, float] | None = None,
    unit: str = "px",
    keep: bool = False,
    events: Sequence[Event] = (),
) -> Linked:
    """Describe labels in which each object has one number in all planes already, as `link_planes` does.

    Parameters
    ----------
    labels : array_like of int, shape (P, Y, X)
        0 for background.
    axis, spacing, unit
        As for `link_planes`.
    keep : bool
        Keep the numbers; else objects are numbered anew, in the order of first appearance.
    events : sequence of Event
        Splits and merges that are known, in numbers that are kept.

    Returns
    -------
    Linked
        With these splits and merges.

    Raises
    ------
    ImageError, SettingsError
        As `link_planes` does.
    """
    _check(axis, 0, 0.0, 0.0, spacing)
    planes = _planes(labels)
    offsets = np.concatenate([[0], np.cumsum([len(p) for p in planes])]).astype(np.intp)
    nodes = _nodes(planes)
    if keep:
        nodes["number"] = nodes["label"].astype(np.int64)
    else:
        _, first, which = np.unique(nodes["label"], return_index=True, return_inverse=True)
        nodes["number"] = (np.argsort(np.argsort(first)) + 1)[which]
    known = tuple(events)
    table = linked_table(nodes, known, axis, spacing, unit)
    return Linked(_paint(planes, offsets, nodes["number"]), table, known, nodes)


def _check(
    axis: str, max_gap: int, min_iou: float, gap_cost: float, spacing: tuple[float, float, float] | None
) -> None:
    if axis not in ("z", "t"):
        raise SettingsError(f"axis is {shown(axis)}: use 'z' or 't'")
    PATIENCE.check(max_gap, "max_gap")
    if SCORE.check(min_iou, "min_iou") == 1:
        raise SettingsError("min_iou is 1, which links nothing that moved: use 0 or more, below 1")
    COST.check(gap_cost, "gap_cost")
    if spacing is not None:
        LENGTH.check_all(spacing, "spacing", 3)


def _planes(labels: ArrayLike | Sequence[ArrayLike]) -> list[Regions]:
    ndim = getattr(labels, "ndim", None)
    if ndim is not None and ndim != 3:
        raise ImageError(f"a stack of labels has three axes (planes, Y, X); this array has {ndim}")
    planes = [regions(plane) for plane in labels]  # type: ignore[union-attr]
    shapes = {p.image.shape for p in planes}
    if len(shapes) > 1:
        raise ImageError(f"all planes must have one shape; found {', '.join(map(str, sorted(shapes)))}")
    return planes


def _nodes(planes: list[Regions]) -> dict[str, NDArray[Any]]:
    centroids = np.concatenate([np.zeros((0, 2)), *(p.centroids for p in planes)])
    return {
        "number": np.zeros(len(centroids), np.int64),
        "plane": np.repeat(np.arange(len(planes)), [len(p) for p in planes]),
        "label": np.concatenate([np.zeros(0, np.int64), *(p.ids for p in planes)]),
        "area": np.concatenate([np.zeros(0, np.int64), *(p.areas for p in planes)]),
        "y": centroids[:, 0],
        "x": centroids[:, 1],
    }


def _expected(
    nodes: dict[str, NDArray[Any]],
    drift: NDArray[np.float64],
    max_gap: int,
    successor: NDArray[np.intp] | None,
) -> NDArray[np.float64]:
    """Return how far (y, x) each node should move until 1, 2, ... planes later, shape (max_gap + 1, N, 2)."""
    plane = nodes["plane"]
    speed = np.zeros((len(plane), 2))
    if successor is not None:
        before = np.flatnonzero(successor >= 0)
        after = successor[before]
        place = np.stack([nodes["y"], nodes["x"]], axis=1) - drift[plane]
        # A plane's own movement says little when outlines are noisy: the mean of it and the plane before's.
        speed[after] = (place[after] - place[before]) / (plane[after] - plane[before])[:, None]
        older = speed.copy()
        known = np.isin(before, after)
        speed[after[known]] = (older[after[known]] + older[before[known]]) / 2
    later = np.minimum(plane[None] + np.arange(1, max_gap + 2)[:, None], max(len(drift) - 1, 0))
    moved: NDArray[np.float64] = drift[later] - drift[plane] + speed * (later - plane)[..., None]
    return moved


def _better(first: Edges, second: Edges, nodes: int) -> Edges:
    """Keep of each pair's two views the one of higher IoU."""
    both = [np.concatenate([getattr(first, n), getattr(second, n)]) for n in Edges.__slots__]
    order = np.lexsort((-both[3], both[0] * nodes + both[1]))
    key = (both[0] * nodes + both[1])[order]
    keep = order[np.r_[True, key[1:] != key[:-1]]] if key.size else order
    return Edges(*(column[keep] for column in both))


def _numbers(successor: NDArray[np.intp]) -> NDArray[np.int64]:
    """Give the chains of links numbers from 1, in the order of their first node."""
    number = np.zeros(len(successor), np.int64)
    count = 0
    for node, following in enumerate(successor):
        if number[node] == 0:
            count += 1
            number[node] = count
        if following >= 0:
            number[following] = number[node]
    return number


def _paint(planes: list[Regions], offsets: NDArray[np.intp], number: NDArray[np.int64]) -> NDArray[Any]:
    dtype = np.uint16 if number.max(initial=0) <= np.iinfo(np.uint16).max else np.uint32
    out = np.zeros((len(planes), *(planes[0].image.shape if planes else (0, 0))), dtype)
    for p, plane in enumerate(planes):
        out[p] = np.concatenate([[0], number[offsets[p] : offsets[p + 1]]]).astype(dtype)[plane.image]
    return out


def linked_table(
    nodes: dict[str, NDArray[Any]],
    events: Sequence[Event],
    axis: str,
    spacing: tuple[float, float, float] | None,
    unit: str,
) -> pd.DataFrame:
    """Return a row for each object, see `link_planes`, from the nodes of `Linked`."""
    import pandas as pd

    rows = pd.DataFrame(nodes)
    for c, name in (("plane", "p"), ("y", "y"), ("x", "x")):
        rows[f"centroid_{name}"] = rows[c] * rows["area"]
    groups = rows.groupby("number", sort=True)
    table = pd.DataFrame({"first_plane": groups["plane"].min(), "last_plane": groups["plane"].max()})
    table["planes"] = [_ranges(p.to_numpy()) for _, p in groups["plane"]]
    table["n_planes"] = groups["plane"].count()
    table["n_missing"] = table["last_plane"] - table["first_plane"] + 1 - table["n_planes"]
    table["voxels"] = groups["area"].sum()
    table["mean_area"], table["max_area"] = groups["area"].mean(), groups["area"].max()
    for name in ("centroid_p", "centroid_y", "centroid_x"):
        table[name] = groups[name].sum() / table["voxels"]
    origin = {e.other: e.number for e in events if e.kind == "split"}
    fate = {e.other: e.number for e in events if e.kind == "merge"}
    table["split_from"] = [origin.get(n, 0) for n in table.index]
    table["merged_into"] = [fate.get(n, 0) for n in table.index]
    sides = () if spacing is None else spacing if axis == "z" else spacing[1:]
    measure = in_micrometres(sides, unit) if sides else None
    if measure is not None and axis == "z":
        table["volume_um3"] = table["voxels"] * measure
    elif measure is not None:
        table["mean_area_um2"] = table["mean_area"] * measure
    return table.rename_axis("index").reset_index()


def _ranges(planes: NDArray[np.intp]) -> str:
    """Write ascending plane numbers as ranges: ``"0-4, 6"``."""
    runs = np.split(planes, np.flatnonzero(np.diff(planes) > 1) + 1)
    return ", ".join(f"{r[0]}-{r[-1]}" if len(r) > 1 else f"{r[0]}" for r in runs)
