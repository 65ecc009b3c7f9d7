"""What is known of a run, as one checked value that is read once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, ValidationError

from napari_sam2_automask.disk.json_file import read_json
from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.record.entries import (
    Count,
    Difference,
    Entry,
    File,
    Image,
    Limits,
    Link,
    Mended,
    Model,
    Number,
    Pair,
    Propagated,
    SettingsOfRun,
    Taken,
    Text,
    Viewer,
)
from napari_sam2_automask.settings.numbers import THREADS, shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["RECORD_FORMAT", "RECORD_VERSION", "Record"]

RECORD_FORMAT = "napari-sam2-automask record"
#: Counted up whenever entries are added or change; records of all earlier versions can be read.
#: 1: entries were whatever had been written. 2: entries are those of `Record`, and are checked. 3: `mends`.
#: 4: `numbers`.
RECORD_VERSION = 4


class Record(Entry):
    """The record of a run, of one picture or of the planes of a stack.

    Attributes
    ----------
    settings : AmgSettings
        Those of the result.
    preset : str or None
        The preset that they come from.
    model, image, file
        What was used and what was segmented.
    plane : int or None
        The plane of the file; `pick` says it where a number does not say it all.
    device, threads
        Where it was computed, and by how many threads of torch.
    contrast_limits : (float, float) or None
        Values shown as black and white.
    floor : (float, float) or None
        The lowest predicted IoU and stability of candidates.
    proposal : AmgSettings or None
        The settings of the proposal, where `settings` are those of a later selection.
    viewer : Viewer or None
        What only a viewer knows.
    mends : Mended or None
        What a person did to the objects.
    numbers : tuple of (int, int) or None
        Of a plane of a stack: its labels, and the numbers that they have in the stack.
    link, propagate : Link, Propagated or None
        Of a stack whose objects keep their numbers.
    planes : tuple of Record or None
        Of a stack: the record of each plane.
    objects, removed, events, labels_sha256, levels_sha256
        What came out.
    object_diameter, disagreement, unfamiliar, pixel_size, unit
        Of the image: how wide its objects were taken to be in pixels, how far the model disagrees with itself
        (see `doubt`), whether it is unlike what the model knows; height and width of a pixel in `unit`.
    time, packages, python, platform
        When and where it was made; `packages` are the versions of those that can change a result.
    """

    format: Text = RECORD_FORMAT
    format_version: Count = Field(RECORD_VERSION, ge=1)
    time: Text | None = None
    settings: SettingsOfRun
    preset: Text | None = None
    model: Model | None = None
    image: Image | None = None
    packages: dict[str, Text] | None = None
    python: Text | None = None
    platform: Text | None = None
    plane: Count | None = None
    device: Text | None = None
    contrast_limits: Limits | None = None
    floor: Pair | None = None
    proposal: SettingsOfRun | None = None
    threads: Count | None = Field(None, ge=1, le=THREADS.maximum)
    file: File | None = None
    pick: Taken | None = None
    viewer: Viewer | None = None
    mends: Mended | None = None
    numbers: tuple[tuple[Count, Count], ...] | None = None
    link: Link | None = None
    propagate: Propagated | None = None
    objects: Count | None = None
    removed: dict[str, Difference] | None = None
    events: tuple[Text, ...] | None = None
    object_diameter: Number | None = None
    disagreement: Number | None = None
    unfamiliar: bool | None = None
    pixel_size: Pair | None = None
    unit: Text | None = None
    labels_sha256: Text | None = None
    levels_sha256: Text | None = None
    planes: tuple[Record, ...] | None = Field(None, min_length=1)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file.

        Raises
        ------
        SettingsError
            If it cannot be read, or holds no record, see `of`.
        """
        return cls.of(read_json(path, "a record of a run", SettingsError), str(path))

    @classmethod
    def of(cls, data: Any, name: str = "the record") -> Self:
        """Read what a JSON file or the metadata of a layer holds.

        Parameters
        ----------
        data : dict
            What `to_json` or an earlier version gave.
        name : str
            What to call it in messages, such as its path.

        Raises
        ------
        SettingsError
            If it is no record, of a newer version, or holds a wrong value.
        """
        if not isinstance(data, dict) or data.get("format") != RECORD_FORMAT:
            raise SettingsError(
                f"{name} is no record of a run: give a .record.json file that `segment` wrote"
            )
        found = data.get("format_version")
        if not isinstance(found, int) or isinstance(found, bool) or found > RECORD_VERSION:
            raise SettingsError(
                f"{name} has format version {shown(found)}, but only up to {RECORD_VERSION} can be read: "
                "update napari-sam2-automask"
            )
        try:
            read = cls.model_validate(data)
        except SettingsError as error:
            raise SettingsError(f"{name}: {error}") from error
        except (ValidationError, RecursionError) as error:
            raise SettingsError(
                f"{name} is damaged ({_what_is_wrong(error)}): use a record that was not edited"
            ) from error
        return read.model_copy(update={"format_version": RECORD_VERSION})

    def of_planes(self, planes: Sequence[Record], **changes: Any) -> Record:
        """Return the record of a stack from those of its planes, of which this is the first."""
        own = self.model_dump(exclude=_OF_A_PLANE, exclude_unset=True)
        return Record.model_validate(own | {"planes": tuple(planes)} | changes)

    @property
    def each_plane(self) -> tuple[Record, ...]:
        """The records of the planes; of a single picture the record itself."""
        return (self,) if self.planes is None else self.planes


# What each plane of a stack has of its own.
_OF_A_PLANE = {
    "plane",
    "objects",
    "removed",
    "labels_sha256",
    "levels_sha256",
    "image",
    "pick",
    "mends",
    "numbers",
}


def _what_is_wrong(error: Exception) -> str:
    """Return the first fault that was found, in one line."""
    if not isinstance(error, ValidationError):
        return "it is nested too deep"
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"] if part != "tuple")
    return f"{where}: {first['msg']}"
