"""Results on disk: complete or not there, never half-written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_sam2_automask.disk.atomic import write_all
from napari_sam2_automask.disk.json_file import json_bytes
from napari_sam2_automask.disk.output_errors import check_name
from napari_sam2_automask.errors import OutputNameError
from napari_sam2_automask.files.coco import to_coco
from napari_sam2_automask.files.formats.exporting import FORMATS
from napari_sam2_automask.files.formats.outlined import Outlines
from napari_sam2_automask.files.labels_tiff import size_in_record, write_labels
from napari_sam2_automask.files.own_results import has_own_mark

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from napari_sam2_automask.disk.atomic import Content
    from napari_sam2_automask.files.pixel_size import FileScale
    from napari_sam2_automask.painting.segmentation import Segmentation

__all__ = ["ResultPaths", "stale_of", "write_files", "write_results"]

write_files = write_all


@dataclass(frozen=True, slots=True)
class ResultPaths:
    """Where the results of one image go.

    Attributes
    ----------
    table, coco, record, labels : Path
        Object table (CSV), COCO JSON, record (JSON) and labels (TIFF). The labels come last: where they are,
        the others are complete.
    levels, cells : Path
        The levels, and the objects grown to cells (TIFF), if there are any.
    also : tuple of (str, Path)
        Formats of other programs, see `FORMATS`.
    """

    table: Path
    coco: Path
    record: Path
    labels: Path
    levels: Path
    cells: Path
    also: tuple[tuple[str, Path], ...] = ()

    @classmethod
    def of(cls, folder: Path, stem: str, also: Iterable[str] = ()) -> ResultPaths:
        """Return the paths for the image called `stem`, with further formats."""
        return cls(
            table=folder / f"{stem}.table.csv",
            coco=folder / f"{stem}.coco.json",
            record=folder / f"{stem}.record.json",
            labels=folder / f"{stem}.labels.tif",
            levels=folder / f"{stem}.levels.tif",
            cells=folder / f"{stem}.cells.tif",
            also=tuple((form, folder / f"{stem}{FORMATS[form].ending}") for form in also),
        )

    @property
    def files(self) -> tuple[Path, ...]:
        """All paths."""
        own = (self.table, self.coco, self.record, self.labels, self.levels, self.cells)
        return (*own, *(path for _, path in self.also))

    def check(self) -> None:
        """Make sure that the files can have their names.

        Raises
        ------
        OutputNameError
            If a name is too long, or a folder has it.
        """
        for path in self.files:
            check_name(path)


def write_results(
    segmentation: Segmentation,
    paths: ResultPaths,
    image_name: str,
    more: Mapping[Path, Content] | None = None,
    scale: FileScale | None = None,
) -> None:
    """Write labels, table, COCO JSON and record of one image, and the levels if there are any.

    Parameters
    ----------
    segmentation : Segmentation
        What was found.
    paths : ResultPaths
        Where to.
    image_name : str
        The image's file name, for the COCO JSON.
    more : mapping of Path to bytes or callable, optional
        Further files that belong to them, see `write_files`.
    scale : FileScale, optional
        Where the image lies, for the further formats; the size of its pixels alone if left out.

    Raises
    ------
    OutputError
        If anything cannot be written; then files that were there before are still there. An `OutputNameError`
        if levels or cells would replace a file that is no result of this package.
    FormatError
        If one of the further formats cannot hold what was found; nothing has been written then.
    """
    files = dict(more or {})
    if paths.also:
        outlines = Outlines.of_segmentation(segmentation, image_name)
        if scale is not None:
            outlines = replace(outlines, scale=scale)
        files |= {path: FORMATS[form].content(outlines) for form, path in paths.also}
    levels, size = segmentation.levels, size_in_record(segmentation.record)
    if levels is not None:
        files[paths.levels] = lambda file: write_labels(file, levels, "QYX", size)
    cells = segmentation.cells
    if cells is not None:
        files[paths.cells] = lambda file: write_labels(file, cells, size=size)
    stale = stale_of((paths.levels, paths.cells), files)
    write_all(
        {
            **files,
            paths.table: lambda file: segmentation.table.to_csv(file, index=False),
            paths.coco: json_bytes(to_coco(segmentation, image_name), indent=None),
            paths.record: json_bytes(segmentation.record),
            paths.labels: lambda file: write_labels(file, segmentation.labels, size=size),
        },
        stale=stale,
    )


def stale_of(paths: Iterable[Path], files: Mapping[Path, Content]) -> list[Path]:
    """Return those of an earlier run's TIFFs that do not belong to the labels that are to be written.

    Images of others that are called so stay.

    Raises
    ------
    OutputNameError
        If one of the files to be written would replace such an image.
    """
    stale = []
    for path in paths:
        if path not in files:
            stale += [path] if has_own_mark(path) else []
        elif path.exists() and not has_own_mark(path):
            raise OutputNameError(f"{path} is no result of this package: move it, or choose another folder")
    return stale
