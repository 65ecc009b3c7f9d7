"""What is to be done: one picture, or a stack of them; a file with a single picture is a stack of one."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_sam2_automask.files.formats.exporting import FORMATS
from napari_sam2_automask.files.formats.zarr_labels import has_zarr_labels, zarr_labels_placed
from napari_sam2_automask.files.picture_scale import scale_of_picture
from napari_sam2_automask.files.reading import read_picked
from napari_sam2_automask.image.pick import Pick

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam2_automask.files.pixel_size import FileScale
    from napari_sam2_automask.files.results import ResultPaths
    from napari_sam2_automask.image.picture import LoadedImage
    from napari_sam2_automask.settings.along import Along
    from napari_sam2_automask.settings.units import Pixel
    from napari_sam2_automask.stack.carrying import Propagation

__all__ = ["Job", "LinkPaths", "StackJob", "is_whole", "labels_inside"]


@dataclass(frozen=True, slots=True)
class Job:
    """One picture of an image file and where its results go.

    Attributes
    ----------
    source : Path
        The image.
    paths : ResultPaths
        The results.
    pick : Pick
        What to take of the file.
    pixel : Pixel or None
        How large a pixel is, in place of what the file says.
    inside : str
        What the labels are called inside the image, an OME-Zarr; empty if they are not to be there.
    """

    source: Path
    paths: ResultPaths
    pick: Pick = Pick()
    pixel: Pixel | None = None
    inside: str = ""

    def read(self) -> LoadedImage:
        """Read the picture, with the size of its pixels if the job says it.

        Raises
        ------
        ImageError
            If the file cannot be read, or does not hold what is to be taken of it.
        """
        image = read_picked(self.source, self.pick)
        if self.pixel is None:
            return image
        return replace(image, pixel_size=(self.pixel.height, self.pixel.width), unit=self.pixel.unit)

    def scale(self, between: float | None = None) -> FileScale:
        """Return how large the pixels are and where they lie, with the distance between planes if it is told.

        Raises
        ------
        ImageError
            As `read` does.
        """
        pixel = self.pixel
        size = None if pixel is None else (between, pixel.height, pixel.width, pixel.unit)
        return scale_of_picture(self.source, self.pick, size)


@dataclass(frozen=True, slots=True)
class LinkPaths:
    """Where the linked objects of a stack go: objects, tracks (CSV), record (JSON), labels, cells (TIFF).

    ``unfinished`` is where a propagation keeps how far it is, ``also`` further formats, see `FORMATS`.
    """

    objects: Path
    tracks: Path
    record: Path
    labels: Path
    cells: Path
    unfinished: Path
    also: tuple[tuple[str, Path], ...] = ()

    @classmethod
    def of(cls, folder: Path, stem: str, also: Iterable[str] = ()) -> LinkPaths:
        """Return the paths for the stack called `stem`, with those of further formats that hold stacks."""
        names = ("objects.csv", "tracks.csv", "record.json", "labels.tif", "cells.tif", "unfinished")
        objects, tracks, record, labels, cells, unfinished = (
            folder / f"{stem}_linked.{name}" for name in names
        )
        forms = (form for form in also if FORMATS[form].stacks)
        further = tuple((form, folder / f"{stem}_linked{FORMATS[form].ending}") for form in forms)
        return cls(objects, tracks, record, labels, cells, unfinished, further)

    @property
    def files(self) -> tuple[Path, ...]:
        """All paths."""
        own = (self.objects, self.tracks, self.record, self.labels, self.cells, self.unfinished)
        return (*own, *(path for _, path in self.also))


@dataclass(frozen=True, slots=True, eq=False)
class StackJob:
    """The pictures to do of one file, and what becomes of them together.

    Attributes
    ----------
    source : Path
        The file.
    planes : tuple of Job
        One for each picture.
    paths : LinkPaths
        Where the linked objects go.
    link : Along or None
        What the planes are, if their objects are to be linked.
    spacing : (float, float, float) or None
        Distance between planes, height and width of a pixel; None where it is not known.
    unit : str
        The short unit of length.
    propagate : Propagation or None
        Carry objects from one plane to the others, in place of segmenting every plane and linking.
    one_contrast : bool
        Take the percentiles of the contrast from all planes of the file in place of each plane.
    inside : str
        What the linked labels are called inside the image, as for `Job`.
    """

    source: Path
    planes: tuple[Job, ...]
    paths: LinkPaths
    link: Along | None = None
    spacing: tuple[float, float, float] | None = None
    unit: str = "px"
    propagate: Propagation | None = None
    one_contrast: bool = False
    inside: str = ""

    @property
    def results(self) -> int:
        """How many results there will be."""
        return 1 if self.propagate is not None else len(self.planes) + (self.link is not None)

    @property
    def files(self) -> Iterator[Path]:
        """The files that may be written."""
        if self.link is not None:
            yield from self.paths.files
        if self.propagate is None:
            for job in self.planes:
                yield from job.paths.files


def is_whole(job: Job | StackJob) -> bool:
    """Tell whether all is there that is asked for besides our own files."""
    inside = not job.inside or has_zarr_labels(job.source, job.inside)
    return inside and all(path.exists() for _, path in job.paths.also)


def labels_inside(
    job: Job | StackJob, labels: NDArray[np.integer[Any]], overwrite: bool
) -> AbstractContextManager[Any]:
    """Write labels into the image, if they are to be there, unless what is done meanwhile fails."""
    if not job.inside:
        return nullcontext()
    return zarr_labels_placed(job.source, labels, job.inside, overwrite=overwrite)
