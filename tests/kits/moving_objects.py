"""Generated stacks of moving objects with ground truth, for the linking tests and benchmark."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class World:
    """What may happen in a generated stack; lengths in pixels, rates per object and plane."""

    objects: int = 40
    planes: int = 20
    size: int = 256
    radius: float = 9.0
    speed: float = 3.0  # of each object by itself
    drift: float = 2.0  # of the whole picture
    crowding: float = 1.6  # least distance between objects at the start, in radii: below 2 they touch
    outline: float = 0.08  # how much an outline changes from plane to plane
    vanish: float = 0.03
    split: float = 0.008
    merge: float = 0.0
    spurious: float = 0.02  # regions that are no object, per object and plane
    max_missing: int = 2


@dataclass
class Stack:
    """The planes with the true numbers, the same planes numbered at random, and what happened."""

    truth: np.ndarray
    labels: np.ndarray
    splits: set[tuple[int, int, int]] = field(default_factory=set)  # plane, parent, part
    merges: set[tuple[int, int, int]] = field(default_factory=set)  # plane, remaining, ended


@dataclass
class _Object:
    number: int
    place: np.ndarray
    speed: np.ndarray
    radius: float
    waves: np.ndarray
    missing: int = 0
    gone: bool = False


def generate(world: World, seed: int) -> Stack:
    rng = np.random.default_rng(seed)
    objects = _start(world, rng)
    truth = np.zeros((world.planes, world.size, world.size), np.int32)
    stack = Stack(truth, np.zeros_like(truth))
    heading = rng.uniform(0, 2 * np.pi)
    count = len(objects)
    for p in range(world.planes):
        if p:
            heading += rng.normal(0, 0.3)
            shift = world.drift * np.array([np.sin(heading), np.cos(heading)])
            for o in objects:
                o.speed = 0.8 * o.speed + 0.6 * rng.normal(0, world.speed / np.sqrt(2), 2)
                o.place = o.place + o.speed + shift
            count = _split(world, rng, objects, stack, p, count)
            _merge(world, rng, objects, stack, p)
        _vanish(world, rng, objects, p)
        truth[p] = _draw(world, rng, objects)
        stack.labels[p] = _renumber(_spurious(world, rng, truth[p]), rng)
    return stack


def _start(world: World, rng: np.random.Generator) -> list[_Object]:
    places: list[np.ndarray] = []
    tries = 0
    while len(places) < world.objects and tries < 20000:
        tries += 1
        place = rng.uniform(world.radius, world.size - world.radius, 2)
        if all(np.hypot(*(place - q)) > world.crowding * world.radius for q in places):
            places.append(place)
    return [
        _Object(
            n + 1,
            place,
            rng.normal(0, world.speed / np.sqrt(2), 2),
            world.radius * rng.uniform(0.75, 1.3),
            rng.normal(0, 0.1, (3, 2)),
        )
        for n, place in enumerate(places)
    ]


def _split(world, rng, objects, stack, p, count):
    for o in list(objects):
        if o.missing or o.gone or rng.random() >= world.split:
            continue
        angle = rng.uniform(0, np.pi)
        direction = np.array([np.sin(angle), np.cos(angle)])
        count += 1
        part = _Object(
            count, o.place - 0.75 * o.radius * direction, o.speed - 0.5 * direction, 0.65 * o.radius, o.waves
        )
        o.place, o.speed, o.radius = (
            o.place + 0.5 * o.radius * direction,
            o.speed + 0.5 * direction,
            0.8 * o.radius,
        )
        stack.splits.add((p, o.number, part.number))
        objects.append(part)
    return count


def _merge(world, rng, objects, stack, p):
    for o in objects:
        if o.gone or o.missing or rng.random() >= world.merge:
            continue
        near = [q for q in objects if q is not o and not q.gone and not q.missing and q.radius >= o.radius]
        near = [q for q in near if np.hypot(*(q.place - o.place)) < 1.1 * (q.radius + o.radius)]
        if near:
            q = near[0]
            weight = o.radius**2 / (o.radius**2 + q.radius**2)
            q.place, q.radius = q.place + weight * (o.place - q.place), np.hypot(q.radius, o.radius)
            o.gone = True
            stack.merges.add((p, q.number, o.number))


def _vanish(world, rng, objects, p):
    for o in objects:
        if o.missing:
            o.missing -= 1
        elif p and rng.random() < world.vanish:
            o.missing = int(rng.integers(1, world.max_missing + 1))


def _draw(world, rng, objects):
    """Each pixel belongs to the object whose outline it is deepest inside of, so touching objects part it."""
    image = np.zeros((world.size, world.size), np.int32)
    depth = np.ones((world.size, world.size))
    for o in objects:
        o.waves = 0.9 * o.waves + rng.normal(0, world.outline / 2, (3, 2))
        if o.missing or o.gone:
            continue
        reach = int(1.8 * o.radius) + 2
        y0, x0 = (int(max(0, c - reach)) for c in o.place)
        y1, x1 = (int(min(world.size, c + reach + 1)) for c in o.place)
        if y1 <= y0 or x1 <= x0:
            continue
        dy, dx = np.mgrid[y0:y1, x0:x1].astype(float)
        dy, dx = dy - o.place[0], dx - o.place[1]
        angle = np.arctan2(dy, dx)
        outline = 1.0 + sum(
            a * np.cos((k + 2) * angle) + b * np.sin((k + 2) * angle) for k, (a, b) in enumerate(o.waves)
        )
        d = np.hypot(dy, dx) / (o.radius * np.clip(outline, 0.5, 1.7))
        inside = d < depth[y0:y1, x0:x1]
        depth[y0:y1, x0:x1][inside] = d[inside]
        image[y0:y1, x0:x1][inside] = o.number
    return image


def _spurious(world, rng, plane):
    """Add small regions that are no object, numbered below zero."""
    out = plane.copy()
    for k in range(rng.poisson(world.spurious * world.objects)):
        y, x = rng.uniform(0, world.size, 2)
        yy, xx = np.ogrid[: world.size, : world.size]
        blob = (yy - y) ** 2 + (xx - x) ** 2 < (0.5 * world.radius) ** 2
        out[blob & (out == 0)] = -k - 1
    return out


def _renumber(plane, rng):
    ids = np.unique(plane[plane != 0])
    numbers = rng.permutation(len(ids)) + 1
    out = np.zeros_like(plane)
    for i, n in zip(ids, numbers, strict=True):
        out[plane == i] = n
    return out


def truth_of_nodes(stack: Stack, nodes: dict[str, np.ndarray]) -> np.ndarray:
    """Return the true number of each node, 0 for regions that are no object."""
    out = np.zeros(len(nodes["plane"]), int)
    for p in range(len(stack.labels)):
        _, first = np.unique(stack.labels[p], return_index=True)
        labels, truth = stack.labels[p].ravel()[first], stack.truth[p].ravel()[first]
        of_label = dict(zip(labels.tolist(), truth.tolist(), strict=True))
        here = nodes["plane"] == p
        out[here] = [of_label[int(n)] for n in nodes["label"][here]]
    return out


def links(number: np.ndarray, plane: np.ndarray, max_gap: int) -> set[tuple[int, int]]:
    """Return the pairs of successive nodes of equal number, at most `max_gap` planes missing between."""
    order = np.lexsort((plane, number))
    pairs = zip(order[:-1].tolist(), order[1:].tolist(), strict=True)
    return {
        (a, b) for a, b in pairs if number[a] == number[b] != 0 and 0 < plane[b] - plane[a] <= max_gap + 1
    }


@dataclass(frozen=True)
class Score:
    """How well numbers agree with the truth."""

    f1: float
    switches: int
    links: int


def score(number: np.ndarray, truth: np.ndarray, plane: np.ndarray, max_gap: int) -> Score:
    true, found = links(truth, plane, max_gap), links(number, plane, len(np.unique(plane)))
    f1 = 2 * len(true & found) / max(len(true) + len(found), 1)
    return Score(f1, sum(int(number[a] != number[b]) for a, b in true), len(true))
