"""Which planes of which stacks are to be done, and where the linked objects go."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_sam2_automask.batch.image_jobs import Job, unique_stems
from napari_sam2_automask.errors import AutomaskError, ImageError, SettingsError
from napari_sam2_automask.files.pyramid import level_for
from napari_sam2_automask.files.results import ResultPaths
from napari_sam2_automask.files.series import count_series
from napari_sam2_automask.files.stack_file import Stack, stack_of
from napari_sam2_automask.image.pick import POSITIONS, Pick, parse_planes
from napari_sam2_automask.settings.units import Pixel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_sam2_automask.files.pixel_size import PixelSize
    from napari_sam2_automask.settings.units import Quantity
    from napari_sam2_automask.stack.carrying import Propagation

__all__ = ["LinkPaths", "StackJob", "plan_stacks"]


@dataclass(frozen=True, slots=True)
class LinkPaths:
    """Where the linked objects of a stack go: objects and tracks (CSV), record (JSON), labels (TIFF).

    ``unfinished`` is where a propagation keeps how far it is.
    """

    objects: Path
    tracks: Path
    record: Path
    labels: Path
    unfinished: Path

    @classmethod
    def of(cls, folder: Path, stem: str) -> LinkPaths:
        """Return the paths for the stack called `stem`."""
        names = ("objects.csv", "tracks.csv", "record.json", "labels.tif", "unfinished")
        return cls(*(folder / f"{stem}_linked.{name}" for name in names))


@dataclass(frozen=True, slots=True, eq=False)
class StackJob:
    """The planes to do of one file, and how to link them.

    Attributes
    ----------
    source : Path
        The file.
    planes : tuple of Job
        One for each plane.
    link : {"z", "time"} or None
        What the planes are.
    spacing : (float, float, float) or None
        Distance between planes, height and width of a pixel; None where it is not known.
    unit : str
        The short unit of length.
    paths : LinkPaths
        Where the linked objects go.
    propagate : Propagation or None
        Carry objects from one plane to the others, in place of segmenting every plane and linking.
    """

    source: Path
    planes: tuple[Job, ...]
    link: str | None
    spacing: tuple[float, float, float] | None
    unit: str
    paths: LinkPaths
    propagate: Propagation | None = None

    @property
    def results(self) -> int:
        """How many results there will be."""
        return 1 if self.propagate is not None else len(self.planes) + (self.link is not None)


def plan_stacks(
    sources: Sequence[Path],
    folder: Path,
    pick: Pick,
    *,
    planes: str | None = None,
    link: str | None = None,
    size: PixelSize | None = None,
    level: int | Quantity = 0,
    propagate: Propagation | None = None,
    series: str | None = None,
) -> tuple[list[StackJob], dict[Path, str]]:
    """Say which planes of which files are to be done, without reading pixels.

    Parameters
    ----------
    sources : sequence of Path
        The files.
    folder : Path
        Where results go.
    pick : Pick
        What to take of each.
    planes : str, optional
        ``"all"`` or ``"A:B"``.
    link : {"z", "time"}, optional
        Link the objects of all planes.
    size : PixelSize, optional
        The voxel's size at full resolution, in place of what the files say.
    level : int or Quantity
        Which level of a pyramid, or the size that its pixels should have.
    propagate : Propagation, optional
        How objects are carried through the planes, which needs `link`.
    series : str, optional
        Which image of files with several: a number, or ``"all"``.

    Returns
    -------
    stacks : list of StackJob
        What can be done.
    useless : dict of Path to str
        Files that cannot, and why.
    """
    stacks, useless = [], {}
    whole_pick = pick
    chosen = [
        (source, stem, number)
        for source, stem in zip(sources, unique_stems(sources), strict=True)
        for number in parse_series(series, source)
    ]
    for source, stem, number in chosen:
        try:
            own_level = level_for(source, level, number or 0, size)
            pick = replace(whole_pick, series=number, level=own_level)
            stack = stack_of(source, pick, size)
            numbers = _numbers(stack, pick, planes, link)
            spacing = _spacing(stack, link)
        except AutomaskError as error:
            useless[source] = str(error)
            continue
        picks = [replace(pick, plane=number) for number in numbers]
        pixel = None if size is None or stack.size is None else Pixel(*stack.size[1:])
        jobs = [Job(source, ResultPaths.of(folder, stem + p.suffix), p.plane, p, pixel) for p in picks]
        whole = stem + replace(pick, plane=None).suffix
        own_unit = "px" if stack.size is None else stack.size[3]
        # Objects of one position have nothing to do with those of another.
        groups: dict[int | None, list[Job]] = {}
        for job in jobs:
            position = stack.position_of(job.plane, pick) if link is not None else None
            groups.setdefault(position, []).append(job)
        for position, own in groups.items():
            name = whole if position is None else f"{whole}_pos{position}"
            paths = LinkPaths.of(folder, name)
            stacks.append(StackJob(source, tuple(own), link, spacing, own_unit, paths, propagate))
    return stacks, useless


def parse_series(text: str | None, source: Path) -> list[int | None]:
    """Read which series of a file to take; without any, whoever opens it says whether one must be chosen.

    Raises
    ------
    SettingsError
        If it is neither a number nor ``all``.
    """
    if text is None:
        return [None]
    if text == "all":
        count = count_series(source)
        return list(range(count)) if count > 1 else [None]
    if not text.isdecimal():
        raise SettingsError(f"--series is {text!r}: give a number from 0, or all")
    return [int(text)]


def _numbers(stack: Stack, pick: Pick, planes: str | None, link: str | None) -> list[int | None]:
    axes, count = stack.plane_axes(pick), stack.count(pick)
    if link is not None:
        many = [a for a in axes if stack.array.shape[stack.axes.index(a)] > 1 and a not in POSITIONS]
        expected = {"z": "Z", "time": "T"}[link]
        if len(many) != 1 or (many[0] in "ZTC" and many[0] != expected):
            shown = f"{stack.axes} {'x'.join(map(str, stack.array.shape))}"
            raise ImageError(
                f"the planes of {stack.path} ({shown}) are not {link} alone: --link {link} needs one axis of "
                "planes; choose with --project or --channel, or name the axes with --axes"
            )
    if planes is not None:
        return list(parse_planes(planes, count))
    if pick.plane is not None:
        if not 0 <= pick.plane < count:
            raise ImageError(f"there is no plane {pick.plane} in {stack.path}: choose from 0 to {count - 1}")
        return [pick.plane]
    if count > 1 and link is None:
        raise ImageError(
            f"{stack.path} ({stack.axes}) holds {count} planes: choose with --plane N, --planes A:B or all, "
            "or --project"
        )
    return list(range(count)) if axes and count > 1 else [None]


def _spacing(stack: Stack, link: str | None) -> tuple[float, float, float] | None:
    if stack.size is None or (stack.size[0] is None and link == "z"):
        return None
    return stack.size[0] or 1.0, stack.size[1], stack.size[2]
