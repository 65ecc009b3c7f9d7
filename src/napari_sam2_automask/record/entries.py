"""The entries of a record: which values each holds, and what of them is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator

from napari_sam2_automask.image.pick import Pick
from napari_sam2_automask.image.region import Region
from napari_sam2_automask.settings.amg import AmgSettings
from napari_sam2_automask.settings.numbers import COUNT, LENGTH, SCORE

__all__ = [
    "Channel",
    "Channels",
    "Count",
    "Difference",
    "Entry",
    "File",
    "Image",
    "Limits",
    "Link",
    "Mended",
    "Model",
    "Number",
    "Pair",
    "Propagated",
    "SettingsOfRun",
    "Taken",
    "Text",
    "Viewer",
]


def _not_falling(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:  # equal ones are those of a blank image
        raise ValueError("the second is below the first")
    return limits


def _known_dtype(name: str) -> str:
    try:
        kind = np.dtype(name).kind
    except (TypeError, ValueError, SyntaxError) as error:
        raise ValueError("this is no type of numbers") from error
    if kind not in "biuf":
        raise ValueError("pixels are numbers")
    return name


# True is no number and "8" is none, as in the settings; neither are NaN and infinity.
Count: TypeAlias = Annotated[int, Field(strict=True, ge=0, le=COUNT.maximum)]
Difference: TypeAlias = Annotated[int, Field(strict=True, ge=-COUNT.maximum, le=COUNT.maximum)]
Number: TypeAlias = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Length: TypeAlias = Annotated[
    float, Field(strict=True), AfterValidator(lambda length: LENGTH.check(length, "a length"))
]
Share: TypeAlias = Annotated[float, Field(strict=True, ge=SCORE.minimum, le=SCORE.maximum)]
Gamma: TypeAlias = Annotated[float, Field(strict=True, gt=0, le=100)]
Colour: TypeAlias = Annotated[tuple[Share, ...], Field(min_length=3, max_length=4)]
Text: TypeAlias = Annotated[str, Field(strict=True)]
Pair: TypeAlias = tuple[Number, Number]
Limits: TypeAlias = Annotated[Pair, AfterValidator(_not_falling)]
DataType: TypeAlias = Annotated[str, Field(strict=True), AfterValidator(_known_dtype)]
Index: TypeAlias = tuple[Count, ...]


def _as_settings(value: Any) -> AmgSettings:
    if isinstance(value, AmgSettings):
        return value
    if not isinstance(value, dict):
        raise ValueError("settings are names and values")
    return AmgSettings.from_json(value)


def _as_pick(value: Any) -> Pick:
    return value if isinstance(value, Pick) else Pick.from_json(value)


def _as_region(value: Any) -> Region:
    return value if isinstance(value, Region) else Region.from_json(value)


if TYPE_CHECKING:
    SettingsOfRun: TypeAlias = AmgSettings
    Taken: TypeAlias = Pick
    Place: TypeAlias = Region
else:  # these classes check themselves
    SettingsOfRun = Annotated[Any, PlainValidator(_as_settings), PlainSerializer(AmgSettings.to_json)]
    Taken = Annotated[Any, PlainValidator(_as_pick), PlainSerializer(Pick.to_json)]
    Place = Annotated[Any, PlainValidator(_as_region), PlainSerializer(Region.to_json)]


class Entry(BaseModel):
    """A part of a record; what it does not know, such as entries of later versions, is kept as it is."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    def to_json(self) -> dict[str, Any]:
        """Return what was given, ready for JSON, in the order of the class."""
        return self.model_dump(mode="json", exclude_unset=True)


class Model(Entry):
    """The model that was used, as `Model.description` tells it."""

    name: Text | None = None
    family: Literal["bundled", "sam2"] | None = None
    config: Text | None = None
    sha256: Text | None = None
    image_size: Count | None = None
    device: Text | None = None
    device_description: Text | None = None


class Image(Entry):
    """The pixels that were segmented: hash, shape and dtype as they were stored."""

    name: Text | None = None
    sha256: Text | None = None
    shape: Index | None = None
    dtype: Text | None = None


class File(Entry):
    """The file that they were read from."""

    name: Text
    sha256: Text | None = None
    path: Text | None = None


class Link(Entry):
    """How objects were linked from plane to plane.

    `spacing` is the distance between planes, height and width of a pixel, in `unit`.
    """

    along: Literal["z", "time"]
    spacing: tuple[Length, Length, Length] | None = None
    unit: Text = "px"
    events: tuple[Text, ...] | None = None


class Propagated(Entry):
    """How objects were carried through which planes, see `Propagation`."""

    start: Count | Literal["first", "middle", "last"]
    new_every: Count
    give_up: Count
    planes: tuple[Count | None, ...]


class Mended(Entry):
    """What a person did to the objects.

    `settings` are those that it began with, `steps` what `Mends.to_json` gives, and `used` the largest number
    that was given out.
    """

    settings: SettingsOfRun
    steps: tuple[dict[str, Any], ...]
    used: Count = 0


class Channel(Entry):
    """A channel of several: its file, the hash of its first plane, and how it was shown."""

    name: Text
    path: Text | None
    sha256: Text
    dtype: DataType
    contrast_limits: Limits | None
    colours: tuple[Colour, ...] | None = Field(None, min_length=1)
    gamma: Gamma = 1.0
    opacity: Share = 1.0
    blending: Text = "additive"


class Channels(Entry):
    """Several channels that were segmented together; `axis` is the layer's, None where each is a layer."""

    how: Literal["mix", "pool"]
    axis: Count | None = None
    channels: tuple[Channel, ...] = Field(min_length=1)


class Viewer(Entry):
    """How a viewer cut planes out of its layers.

    `over` is the axis of `shape` that was projected; records of before projected all but rows, columns and
    channels.
    """

    layer: Text | None = None
    path: Text | None = None
    level: Count = 0
    shape: Index | None = None
    rows_columns: tuple[Count, Count] | None = None
    projected: Literal["max", "mean"] | None = None
    over: Count | None = None
    contrast: Text | None = None
    contrast_limits: Limits | None = None
    planes: tuple[Index, ...] | None = None
    complete: bool = True
    region: Place | None = None
    channels: Channels | None = None
    seconds: Number | None = None
