"""Results on disk: complete or not there, never half-written."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import IO, TYPE_CHECKING, Any

from napari_sam2_automask.disk.atomic import write_all
from napari_sam2_automask.disk.json_file import json_bytes
from napari_sam2_automask.disk.output_errors import check_name
from napari_sam2_automask.files.coco import to_coco
from napari_sam2_automask.files.own_results import SOFTWARE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam2_automask.disk.atomic import Content
    from napari_sam2_automask.painting.segmentation import Segmentation

__all__ = ["ResultPaths", "write_files", "write_labels", "write_results"]

write_files = write_all


@dataclass(frozen=True, slots=True)
class ResultPaths:
    """Where the results of one image go.

    Attributes
    ----------
    table, coco, record, labels : Path
        Object table (CSV), COCO JSON, record (JSON) and labels (TIFF). The labels come last: where they are,
        the others are complete.
    levels : Path
        The levels (TIFF), if there are any.
    """

    table: Path
    coco: Path
    record: Path
    labels: Path
    levels: Path

    @classmethod
    def of(cls, folder: Path, stem: str) -> ResultPaths:
        """Return the paths for the image called `stem`."""
        return cls(
            table=folder / f"{stem}.table.csv",
            coco=folder / f"{stem}.coco.json",
            record=folder / f"{stem}.record.json",
            labels=folder / f"{stem}.labels.tif",
            levels=folder / f"{stem}.levels.tif",
        )

    def check(self) -> None:
        """Make sure that the files can have their names.

        Raises
        ------
        OutputNameError
            If a name is too long, or a folder has it.
        """
        for field in fields(self):
            check_name(getattr(self, field.name))


def write_results(
    segmentation: Segmentation,
    paths: ResultPaths,
    image_name: str,
    more: Mapping[Path, Content] | None = None,
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

    Raises
    ------
    OutputError
        If anything cannot be written; then files that were there before are still there.
    """
    files = dict(more or {})
    levels = segmentation.levels
    if levels is not None:
        files[paths.levels] = lambda file: write_labels(file, levels, axes="QYX")
    write_all(
        {
            **files,
            paths.table: lambda file: segmentation.table.to_csv(file, index=False),
            paths.coco: json_bytes(to_coco(segmentation, image_name), indent=None),
            paths.record: json_bytes(segmentation.record),
            paths.labels: lambda file: write_labels(file, segmentation.labels),
        },
        # Those of an earlier run do not belong to these labels.
        stale=paths.levels if levels is None else None,
    )


def write_labels(file: IO[bytes], labels: NDArray[Any], axes: str = "YX") -> None:
    """Write a label image with these axes as a compressed TIFF that ImageJ, QuPath and napari open."""
    import tifffile

    tifffile.imwrite(
        file,
        labels,
        compression="zlib",
        photometric="minisblack",
        metadata={"axes": axes},
        software=SOFTWARE,
    )
