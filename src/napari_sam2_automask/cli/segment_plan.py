"""The options of `segment` for stacks: planes, projections, channels, linking."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from napari_sam2_automask.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from napari_sam2_automask.batch.file_results import FileResult
    from napari_sam2_automask.image.pick import Pick
    from napari_sam2_automask.models import Model
    from napari_sam2_automask.settings.physical import AnySettings
    from napari_sam2_automask.stack.carrying import Propagation

__all__ = ["STACKS", "Along", "Contrast", "Planned", "Projection", "pick_of", "plan_work", "propagation_of"]

#: Under this heading the help lists the options.
STACKS = "Stacks"


class Projection(StrEnum):
    """How planes become one picture."""

    max = "max"
    mean = "mean"


class Along(StrEnum):
    """What the planes to link are."""

    z = "z"
    time = "time"


class Contrast(StrEnum):
    """What percentiles are taken from."""

    plane = "plane"
    stack = "stack"


def pick_of(
    plane: int | None,
    planes: str | None,
    project: Projection | None,
    channel: str | None,
    axes: str | None,
    link: Along | None,
    sized: bool,
) -> Pick | None:
    """Return what to take of stacks; None if a plane's number says it all.

    `sized` says that something is told of the size of pixels.

    Raises
    ------
    SettingsError
        If options exclude each other.
    """
    from napari_sam2_automask.image.pick import Pick, parse_channel

    if plane is not None and planes is not None:
        raise SettingsError("--plane and --planes exclude each other: give one of them")
    if plane is not None and link is not None:
        raise SettingsError("--link needs several planes: leave out --plane, or give --planes A:B")
    if all(option is None for option in (planes, project, channel, axes, link)) and not sized:
        return None
    return Pick(plane, project and project.value, parse_channel(channel), axes or "")


def propagation_of(propagate: bool, start: str, new_every: int, link: Along | None) -> Propagation | None:
    """Return how objects are to be carried through stacks; None if they are linked.

    Raises
    ------
    SettingsError
        If a value is out of its range, or nothing says what the planes are.
    """
    if not propagate:
        if (start, new_every) != ("middle", 0):
            raise SettingsError("--start and --new-every are for propagated objects: give --propagate")
        return None
    if link is None:
        raise SettingsError("--propagate needs to know what the planes are: give --link z or --link time")
    from napari_sam2_automask.stack.carrying import Propagation

    return Propagation(int(start) if start.isdecimal() else start, new_every)


@dataclass(frozen=True)
class Planned:
    """What `segment` has to do.

    Attributes
    ----------
    work : list of Job, or list of StackJob
        Of which every image and plane is done by itself.
    stacks : bool
        Which of the two.
    useless : dict of Path to str
        Files of which nothing can be done, and why.
    contrast_of_stack : bool
        Whether stacks have one contrast for all planes.
    """

    work: Any
    stacks: bool
    useless: dict[Path, str]
    contrast_of_stack: bool = False

    @property
    def number(self) -> int:
        """How many results there will be."""
        return sum(one.results if self.stacks else 1 for one in self.work)

    def run(self, settings: AnySettings, load: Callable[[], Model], **more: Any) -> Iterator[FileResult]:
        """Do it in this process; takes what `run_jobs` takes after the jobs."""
        from napari_sam2_automask.batch.run_images import run_jobs
        from napari_sam2_automask.batch.run_stacks import run_stacks

        if not self.stacks:
            return run_jobs(self.work, settings, load, **more)
        return run_stacks(self.work, settings, load, contrast_of_stack=self.contrast_of_stack, **more)


def plan_work(
    images: Sequence[Path],
    out: Path,
    plane: int | None,
    pick: Pick | None,
    of_stack: dict[str, Any],
    contrast_of_stack: bool,
) -> Planned:
    """Plan what `segment` has to do: images, or planes of stacks; `of_stack` is what `plan_stacks` takes."""
    from napari_sam2_automask.files.reading import SUFFIXES
    from napari_sam2_automask.settings.units import Pixel

    size = of_stack["size"]
    whole = all(not of_stack[option] for option in ("planes", "link", "series", "level"))
    # A pick for the sake of the spacing alone leaves PNG and JPEG files what they are: no stacks.
    plain = pick is None or (pick.is_plain and all(path.suffix.lower() in SUFFIXES for path in images))
    if plain and whole and not contrast_of_stack:
        from napari_sam2_automask.batch.image_jobs import plan_jobs

        pixel = None if size is None else Pixel(*size[1:])
        return Planned(plan_jobs(images, out, plane, pixel), False, {})
    from napari_sam2_automask.batch.stack_jobs import plan_stacks
    from napari_sam2_automask.image.pick import Pick

    stacks, useless = plan_stacks(images, out, pick or Pick(plane), **of_stack)
    return Planned(stacks, True, useless, contrast_of_stack)
