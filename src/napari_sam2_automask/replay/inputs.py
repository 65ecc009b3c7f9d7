"""What a replay starts from: the record, the very same image, the same model and number of threads."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from napari_sam2_automask.errors import ImageError, ModelError, SettingsError
from napari_sam2_automask.files.hashes import file_hash
from napari_sam2_automask.files.reading import every_plane, read_image
from napari_sam2_automask.files.stack_file import stack_of
from napari_sam2_automask.files.stored_image import naming
from napari_sam2_automask.image.picture import LoadedImage
from napari_sam2_automask.image.view import image_hash
from napari_sam2_automask.record.environment import OWN_NAME
from napari_sam2_automask.record.record import Record
from napari_sam2_automask.replay.viewer_channels import LONGEST, load_channels
from napari_sam2_automask.replay.viewer_planes import ViewerCut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_sam2_automask.image.region import Region
    from napari_sam2_automask.models import Model
    from napari_sam2_automask.progress import ProgressCallback

__all__ = ["Inputs", "Part", "find_image", "load_model_of", "read_record", "set_threads"]


def read_record(path: Path) -> Record:
    """Read a record.

    Raises
    ------
    SettingsError
        If the file cannot be read or holds no record.
    """
    record = Record.read(path)
    if record.model is None or any(plane.image is None for plane in record.each_plane):
        raise SettingsError(f"{path} does not say which image and model it is of: replay needs both")
    return record


def find_image(record: Record, path: Path, given: Path | None) -> Path:
    """Return the image's file after making sure that it is the very same one, where the record tells."""
    known, viewer, image = record.file, record.viewer, record.image
    name = (known and known.name) or (image and image.name) or ""
    places = [known and known.path, viewer and viewer.path, path.parent / name, name]
    # Of a path that no file can have that is said as well.
    found = given or next((Path(p) for p in places if p and name and os.path.exists(p)), None)
    if found is None:
        raise ImageError(f"the image {name[:LONGEST] or 'of the record'} is not where it was: give its path")
    expected = known and known.sha256
    actual = file_hash(found)
    if expected and actual != expected:
        raise ImageError(
            f"{found} is not the image of the record: its SHA-256 is {actual[:12]}..., the record's "
            f"{expected[:12]}...: give the file that was segmented"
        )
    return found


class Part(NamedTuple):
    """A plane of an image, or the region of it that was segmented.

    Attributes
    ----------
    image : LoadedImage
        The pixels, only those of the region if there is one.
    region : Region or None
        Where they lie.
    shape : (int, int)
        Rows and columns of the whole plane.
    """

    image: LoadedImage
    region: Region | None
    shape: tuple[int, int]

    @classmethod
    def of(cls, image: LoadedImage, region: Region | None) -> Part:
        """Cut the region out of a plane.

        Raises
        ------
        ImageError
            If the plane is smaller than the region reaches.
        """
        rows, columns = image.array.shape[:2]
        if region is None:
            return cls(image, None, (rows, columns))
        if region.box[2] > rows or region.box[3] > columns:
            raise ImageError(
                f"the record is of rows up to {region.box[2]} and columns up to {region.box[3]}, the image "
                f"has {rows} x {columns}: give the file that was segmented"
            )
        return cls(replace(image, array=region.cut(image.array)), region, (rows, columns))


@dataclass(frozen=True)
class Inputs:
    """The planes that a record is of, and where their pixels are.

    Attributes
    ----------
    planes : tuple of Record
        That of each plane; of a single one the record itself.
    source : Path
        The image's file; the first channel's, if there are several.
    region : Region or None
        What of each plane was segmented.
    cut : ViewerCut or None
        How a viewer cut the planes out of its layers.
    channels : callable or None
        Takes a plane's number and returns its channels, if the record is of several.
    """

    planes: tuple[Record, ...]
    source: Path
    region: Region | None
    cut: ViewerCut | None
    channels: Callable[[int], LoadedImage] | None

    @classmethod
    def of(cls, record: Record, path: Path, given: Path | None) -> Inputs:
        """Find the files of a record.

        Parameters
        ----------
        record : Record
            The record.
        path : Path
            Where it was read.
        given : Path, optional
            The image's file, or the folder of the channels' files.

        Raises
        ------
        ImageError
            If a file is missing or another than that of the record.
        SettingsError
            If the record does not say enough.
        """
        viewer = record.viewer
        if viewer is None:
            return cls(record.each_plane, find_image(record, path, given), None, None, None)
        with naming(path):
            cut = ViewerCut.of(viewer)
        if viewer.channels is None:
            return cls(record.each_plane, find_image(record, path, given), viewer.region, cut, None)
        read = partial(load_channels, viewer.channels, path, given, cut)
        first, source = read(0)
        return cls(
            record.each_plane, source, viewer.region, cut, lambda number: read(number)[0] if number else first
        )

    @property
    def indices(self) -> list[tuple[int, ...]]:
        """The position of each plane along the axes of planes; its number, if no viewer told more."""
        known = () if self.cut is None else self.cut.planes
        return list(known) if len(known) == len(self.planes) else [(k,) for k in range(len(self.planes))]

    def load(self, number: int) -> Part:
        """Read the plane that was segmented, and cut out the region.

        Raises
        ------
        ImageError
            If no plane of the file has the pixels of the record.
        """
        record = self.planes[number]
        expected = record.image and record.image.sha256
        for image in self._candidates(record, number):
            part = Part.of(replace(image, plane=record.plane), self.region)
            if expected is None or image_hash(part.image.array) == expected:
                return part
        raise ImageError(
            f"the pixels of {self.source} are not those of the record (SHA-256 {str(expected)[:12]}...): "
            "give the file that was segmented"
        )

    def _candidates(self, record: Record, number: int) -> Iterator[LoadedImage]:
        """Return what the plane may be: what the record says it is, else all planes of the file."""
        if self.channels is not None:
            yield self.channels(number)
        elif record.pick is not None:
            stack = stack_of(self.source, record.pick)
            yield stack.read(stack.explicit(record.pick))
        elif record.plane is not None:
            yield read_image(self.source, record.plane)
        else:
            for stored in (False, True):
                picture = None if self.cut is None else self.cut.picture(self.source, number, stored)
                if picture is not None:
                    yield LoadedImage(picture, picture.ndim == 3)
            yield from every_plane(self.source, 0 if self.cut is None else self.cut.level)


def load_model_of(record: Record, given: str | None, device: str | None, progress: ProgressCallback) -> Model:
    """Return the record's model, from where the record says or from a name or file that is given.

    Raises
    ------
    ModelError
        If it cannot be loaded, or its weights are not those of the record.
    """
    from napari_sam2_automask.models import load_model
    from napari_sam2_automask.models.catalogue.registry import has_learned

    described = record.model
    assert described is not None  # `read_record` made sure
    name, expected = described.name, described.sha256
    source = given or str(name)
    if not given and expected and has_learned(expected):
        source = expected  # whatever it is called here
    try:
        model = load_model(source, device=device or described.device or "auto", progress=progress)
    except ModelError as error:
        hint = "" if given else ": give the model's file with --model, or another device with --device"
        raise ModelError(f"the record's model {name!r} cannot be used ({error}){hint}") from error
    if expected and model.sha256 != expected:
        remedy = "give the same weights with --model"
        if described.family == "bundled" and not given:
            bundled = described.name == "bundled"
            remedy = _where_bundled_weights_are(record) if bundled else _WHERE_LEARNED_WEIGHTS_ARE
        raise ModelError(
            f"the model {given or name} is not that of the record: its SHA-256 is "
            f"{str(model.sha256)[:12]}..., the record's {expected[:12]}...: {remedy}"
        )
    return model


_WHERE_LEARNED_WEIGHTS_ARE = (
    "another model has that name here; give the file of the one that was learned with --model, or put it "
    "among the models of this computer: sam2-automask models add FILE --name NAME"
)


def _where_bundled_weights_are(record: Record) -> str:
    """How to get the weights that another release brought with it."""
    release = (record.packages or {}).get(OWN_NAME)
    source = f"{OWN_NAME} {release}" if release else f"an earlier {OWN_NAME}"
    return (
        f"the bundled model of a release is the one it was made with, here that of {source}; install that "
        "one, or give its bundled.safetensors with --model FILE"
    )


def set_threads(record: Record) -> None:
    """Use as many threads as the run did: sums of floats depend on how they are split."""
    if record.threads is not None:
        import torch

        torch.set_num_threads(record.threads)
