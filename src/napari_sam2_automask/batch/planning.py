"""Which planes of which files are to be done, and where their results go."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2_automask.batch.finding import unique_stems
from napari_sam2_automask.batch.jobs import Job, LinkPaths, StackJob
from napari_sam2_automask.disk.regular import Inputs
from napari_sam2_automask.errors import AutomaskError, ImageError, SettingsError
from napari_sam2_automask.files.formats.exporting import FORMATS, INTO_IMAGE, check_formats
from napari_sam2_automask.files.formats.zarr_labels import LABELS, check_zarr_labels
from napari_sam2_automask.files.opening import check_chunks, count_series, left_out
from napari_sam2_automask.files.pyramid import level_for
from napari_sam2_automask.files.results import ResultPaths
from napari_sam2_automask.files.stack_file import Stack, stack_of
from napari_sam2_automask.files.stored_image import check_whole, naming
from napari_sam2_automask.files.web_address import given_path
from napari_sam2_automask.image.pick import POSITIONS, Pick, parse_planes
from napari_sam2_automask.settings.along import Along
from napari_sam2_automask.settings.numbers import shown, whole_number
from napari_sam2_automask.settings.units import Pixel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_sam2_automask.files.pixel_size import PixelSize
    from napari_sam2_automask.settings.units import Quantity
    from napari_sam2_automask.stack.carrying import Propagation

__all__ = ["Plan", "Wanted", "plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done with some files.

    Attributes
    ----------
    stacks : list of StackJob
        What can be done.
    useless : dict of Path to str
        Files that cannot, and why.
    notes : list of str
        What else is to be said: what in a file is no image, where images of it were to be chosen.
    """

    stacks: list[StackJob]
    useless: dict[Path, str]
    notes: list[str] = field(default_factory=list)

    @property
    def results(self) -> int:
        """How many results there will be."""
        return sum(stack.results for stack in self.stacks)

    @property
    def files(self) -> Iterator[Path]:
        """The files that may be written."""
        return (file for stack in self.stacks for file in stack.files)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted of each file.

    Attributes
    ----------
    pick : Pick
        What to take of it.
    planes : str or None
        ``"all"`` or ``"A:B"``.
    link : Along or None
        Link the objects of all planes.
    size : PixelSize or None
        The voxel's size at full resolution, in place of what the files say.
    level : int or Quantity
        Which level of a pyramid, or the size that its pixels should have.
    propagate : Propagation or None
        How objects are carried through the planes, which needs `link`.
    series : str or None
        Which image of files with several: a number, or ``"all"``.
    one_contrast : bool
        One contrast for all planes of a file.
    also : tuple of str
        Further formats to write, see `FORMATS`, and `INTO_IMAGE`.
    allow_missing : bool
        Whether chunks may be missing from Zarrs; they read as the fill value. See `check_chunks`.
    """

    pick: Pick = Pick()
    planes: str | None = None
    link: Along | None = None
    size: PixelSize | None = None
    level: int | Quantity = 0
    propagate: Propagation | None = None
    series: str | None = None
    one_contrast: bool = False
    also: tuple[str, ...] = ()
    allow_missing: bool = False

    def __post_init__(self) -> None:
        check_formats(self.also, [INTO_IMAGE])
        flat = [form for form in self.files_also if not FORMATS[form].stacks]
        if flat and self.propagate is not None:
            raise SettingsError(f"--also {flat[0]} holds no stack, and --propagate gives one: leave one out")

    @property
    def files_also(self) -> tuple[str, ...]:
        """Those of the further formats that are files."""
        return tuple(form for form in self.also if form != INTO_IMAGE)

    def inside(self, stem: str) -> str:
        """Return what labels are called inside their image, empty for none; `stem` says what they are of."""
        return f"{LABELS}{stem}" if INTO_IMAGE in self.also else ""

    @property
    def needs_look(self) -> bool:
        """Whether files are to be opened before it is known what to do with them."""
        more = self.planes or self.link or self.series or self.level or self.one_contrast
        return bool(more) or not self.pick.is_plain


def plan(sources: Sequence[str | Path], folder: str | Path, wanted: Wanted | None = None) -> Plan:
    """Say what is to be done with files, without reading pixels.

    Parameters
    ----------
    sources : sequence of str or Path
        The files.
    folder : str or Path
        Where results go.
    wanted : Wanted, optional
        What of each; the only picture of each if left out.
    """
    wanted = wanted or Wanted()
    found = Plan([], {})
    paths, folder = [given_path(source) for source in sources], Path(folder)
    for source, stem in zip(paths, unique_stems(paths), strict=True):
        if not wanted.needs_look:
            try:
                _check_chunks(source, wanted)
                found.stacks.append(_one_picture(source, folder, stem, wanted))
            except ImageError as error:
                found.useless[source] = str(error)
            continue
        several = wanted.series is not None or wanted.planes or wanted.link
        if several and (others := left_out(source)):
            found.notes.append(f"{source}: left out: {', '.join(others)}")
        for number in parse_series(wanted.series, source):
            try:
                with naming(source):
                    stacks = _stacks_of(source, folder, stem, number, wanted)
                _check_chunks(source, wanted, stacks[0].planes[0].pick)
                found.stacks.extend(stacks)
            except AutomaskError as error:
                found.useless[source] = str(error)
    return _without_clashes(_without_inputs(found, paths))


def _check_chunks(source: Path, wanted: Wanted, pick: Pick | None = None) -> None:
    """Refuse a Zarr that lacks chunks, unless it may."""
    pick = pick or Pick()
    if not wanted.allow_missing:
        check_chunks(source, pick.series, pick.level)


def _without_clashes(found: Plan) -> Plan:
    """Leave out what would be written over the results of another image; systems may not tell a from A."""
    taken: dict[str, Path] = {}
    for stack in list(found.stacks):
        own = {str(file).casefold(): stack.source for file in stack.files}
        clash = next((taken[file] for file in own if file in taken), None)
        if clash is None:
            taken |= own
            continue
        found.stacks.remove(stack)
        found.useless[stack.source] = (
            f"the results of {stack.source} would have the names of those of {clash}: do it by itself, with "
            "another --out"
        )
    return found


def _without_inputs(found: Plan, sources: Sequence[Path]) -> Plan:
    """Leave out what would be written over one of the images."""
    inputs = Inputs(sources)
    for stack in list(found.stacks):
        clash = next((image for file in stack.files if (image := inputs.replaced_by(file))), None)
        if clash is not None:
            found.stacks.remove(stack)
            found.useless[stack.source] = (
                f"the results of {stack.source} would replace the image {clash}: choose another --out"
            )
    return found


def _one_picture(source: Path, folder: Path, stem: str, wanted: Wanted) -> StackJob:
    name = stem + wanted.pick.suffix
    pixel = None if wanted.size is None else Pixel(*wanted.size[1:])
    paths = ResultPaths.of(folder, name, wanted.files_also)
    job = Job(source, paths, wanted.pick, pixel, wanted.inside(wanted.pick.suffix))
    return StackJob(source, (job,), LinkPaths.of(folder, name, wanted.files_also))


def _stacks_of(source: Path, folder: Path, stem: str, series: int | None, wanted: Wanted) -> list[StackJob]:
    """Return the stacks of an image of a file: one, or one for each position if they are linked."""
    size = wanted.size
    pick = replace(wanted.pick, series=series, level=level_for(source, wanted.level, series or 0, size))
    stack = stack_of(source, pick, size)
    if wanted.link is not None or pick.project or (wanted.planes is None and pick.plane is None):
        check_whole(source, stack.cut_off, ", or choose planes that are left with --planes A:B")
    pick = replace(pick, over=stack.projected(pick))
    numbers = _numbers(stack, pick, wanted.planes, wanted.link)
    picks = [replace(pick, plane=number) for number in numbers]
    pixel = None if size is None or stack.size is None else Pixel(*stack.size[1:])
    # Objects of one position have nothing to do with those of another.
    groups: dict[int | None, list[Job]] = {}
    for one in picks:
        position = stack.position_of(one.plane, pick) if wanted.link is not None else None
        paths = ResultPaths.of(folder, stem + one.suffix, wanted.files_also)
        job = Job(source, paths, one, pixel, "" if wanted.link else wanted.inside(one.suffix))
        groups.setdefault(position, []).append(job)
    stacks = []
    for position, jobs in groups.items():
        whole = replace(pick, plane=None).suffix + ("" if position is None else f"_pos{position}")
        inside = wanted.inside(whole) if wanted.link else ""
        if inside:
            sides = (stack.array.shape[stack.axes.index(axis)] for axis in "YX")
            check_zarr_labels(source, (len(jobs), *sides), inside, overwrite=True)
        stacks.append(
            StackJob(
                source,
                tuple(jobs),
                LinkPaths.of(folder, stem + whole, wanted.files_also),
                wanted.link,
                _spacing(stack, wanted.link),
                "px" if stack.size is None else stack.size[3],
                wanted.propagate,
                wanted.one_contrast,
                inside,
            )
        )
    return stacks


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
    number = whole_number(text)
    if number is None:
        raise SettingsError(f"--series is {shown(text)}: give a number from 0, or all")
    return [number]


def _numbers(stack: Stack, pick: Pick, planes: str | None, link: Along | None) -> list[int | None]:
    axes, count = stack.plane_axes(pick), stack.count(pick)
    if link is not None:
        many = [a for a in axes if stack.array.shape[stack.axes.index(a)] > 1 and a not in POSITIONS]
        expected = link.letter.upper()
        many = many or [axis for axis in axes if axis == expected]
        if len(many) != 1 or (many[0] in "ZTC" and many[0] != expected):
            shown = f"{stack.axes} {'x'.join(map(str, stack.array.shape))}"
            raise ImageError(
                f"the planes of {stack.path} ({shown}) are not {link} alone: --link {link} needs one axis of "
                "planes; choose with --project or --channel, or name the axes with --axes"
            )
    if planes is not None:
        return list(parse_planes(planes, count))
    if pick.plane is not None or link is None:
        stack.check(pick)
    if pick.plane is not None:
        return [pick.plane]
    return list(range(count)) if axes and count > 1 else [None]


def _spacing(stack: Stack, link: Along | None) -> tuple[float, float, float] | None:
    if stack.size is None or (stack.size[0] is None and link is Along.z):
        return None
    return stack.size[0] or 1.0, stack.size[1], stack.size[2]
