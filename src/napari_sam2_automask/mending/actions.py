"""What a person does to objects, as plain data that can be kept, written as JSON and done again.

Points are (y, x) in pixels; whole numbers are the middles of pixels. Of a step that was done, all numbers
that it gave out are filled in, so that it gives the same ones again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from napari_sam2_automask.errors import AutomaskError, MendError
from napari_sam2_automask.mending.rle_mask import RleMask
from napari_sam2_automask.record.entries import Count, Number, SettingsOfRun, Text

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "FARTHEST",
    "MOST",
    "Action",
    "Add",
    "Carried",
    "Carry",
    "Grow",
    "Lock",
    "Merge",
    "Paint",
    "Patch",
    "Release",
    "Remove",
    "Reshape",
    "Settle",
    "Split",
    "Step",
    "actions_from",
    "made",
]

#: The largest number of an object.
MOST = 2**31 - 1
#: By how many pixels an object grows or shrinks at most.
FARTHEST = 1000

Label: TypeAlias = Annotated[Count, Field(ge=1, le=MOST)]
Labels: TypeAlias = tuple[Label, ...]
Point: TypeAlias = tuple[Number, Number]


class Data(BaseModel):
    """Frozen data; what it does not know is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Action(Data):
    """An action on objects."""

    def to_json(self) -> dict[str, Any]:
        """Return the action, ready for JSON; `actions_from` reads it."""
        return {"action": self.action, **self.model_dump(mode="json", exclude_defaults=True)}  # type: ignore[attr-defined]


class Add(Action):
    """Add an object: the best stored candidate at a point, or a mask. It takes only what is free.

    `score` is the predicted IoU of a mask that a model gave. `label` is its number.
    """

    action: Literal["add"] = "add"
    point: Point | None = None
    mask: RleMask | None = None
    score: Number | None = None
    label: Label | None = None

    @model_validator(mode="after")
    def _has_one(self) -> Add:
        if (self.point is None) == (self.mask is None):
            raise ValueError("add takes a point or a mask")
        return self


class Reshape(Action):
    """Give an object another mask, as far as that lies on free ground and on the object itself."""

    action: Literal["reshape"] = "reshape"
    label: Label
    mask: RleMask
    score: Number | None = None


class Remove(Action):
    """Remove objects; nothing comes back where they were."""

    action: Literal["remove"] = "remove"
    labels: Annotated[Labels, Field(min_length=1)]


class Merge(Action):
    """Make objects one, which has the number `keep`."""

    action: Literal["merge"] = "merge"
    labels: Annotated[Labels, Field(min_length=2)]
    keep: Label


class Split(Action):
    """Divide an object, by a stroke across it or by a seed in each part.

    The largest part keeps the number, the others have those of `into`.
    """

    action: Literal["split"] = "split"
    stroke: tuple[Point, ...] = ()
    seeds: tuple[Point, ...] = ()
    label: Label | None = None
    into: Labels = ()

    @model_validator(mode="after")
    def _has_one(self) -> Split:
        if (len(self.stroke) >= 2) == (len(self.seeds) >= 2):
            raise ValueError("split takes a stroke of two points at least, or two seeds at least")
        return self


class Step(Action):
    """Go on to the next larger or smaller stored candidate at a point.

    Towards the parts, further parts of what the object was have the numbers of `into`.
    """

    action: Literal["step"] = "step"
    point: Point
    to: Literal["whole", "parts"]
    label: Label | None = None
    into: Labels = ()


class Grow(Action):
    """Let objects grow by some pixels onto free ground; below 0 they shrink."""

    action: Literal["grow"] = "grow"
    labels: Annotated[Labels, Field(min_length=1)]
    pixels: Annotated[int, Field(strict=True)] = 1

    @model_validator(mode="after")
    def _is_a_distance(self) -> Grow:
        if not 1 <= abs(self.pixels) <= FARTHEST:
            raise ValueError(f"pixels={self.pixels}: give 1 to {FARTHEST}, or -1 to -{FARTHEST} to shrink")
        return self


class Lock(Action):
    """Keep objects as they are, whatever the settings."""

    action: Literal["lock"] = "lock"
    labels: Annotated[Labels, Field(min_length=1)]


class Release(Action):
    """Give objects, and the ground of removed ones, back to the settings; all of them without labels."""

    action: Literal["release"] = "release"
    labels: Labels = ()


class Patch(Data):
    """Pixels that were given a number; 0 erases."""

    label: Annotated[Count, Field(le=MOST)]
    mask: RleMask


class Paint(Action):
    """Paint pixels by hand."""

    action: Literal["paint"] = "paint"
    patches: Annotated[tuple[Patch, ...], Field(min_length=1)]


class Settle(Action):
    """Select by other settings."""

    action: Literal["settle"] = "settle"
    settings: SettingsOfRun


class Carried(Data):
    """What was done to an object in another run: how, with which scores, its pixels and its lost ground."""

    label: Label
    edited: Text
    scores: tuple[Number | None, Number | None] | None = None
    mask: RleMask | None = None
    ground: RleMask | None = None


class Carry(Action):
    """Take over locked objects, and the ground of removed ones, from another run."""

    action: Literal["carry"] = "carry"
    objects: tuple[Carried, ...]


_ANY = TypeAdapter(
    Annotated[
        Add | Reshape | Remove | Merge | Split | Step | Grow | Lock | Release | Paint | Settle | Carry,
        Field(discriminator="action"),
    ]
)


def made(kind: type[Action], **values: Any) -> Action:
    """Return an action of some kind.

    Raises
    ------
    MendError
        If a value cannot be right.
    """
    try:
        return kind(**values)
    except ValidationError as error:
        raise MendError(f"{kind.__name__.lower()} cannot be done: {_said(error)}") from error


def actions_from(steps: Iterable[Any]) -> tuple[Action, ...]:
    """Read actions as `Action.to_json` gave them.

    Raises
    ------
    MendError
        If one of them is none; the message says which, and why.
    """
    found = []
    for number, step in enumerate(steps, 1):
        try:
            found.append(step if isinstance(step, Action) else _ANY.validate_python(step))
        except (ValidationError, AutomaskError) as error:
            said = _said(error) if isinstance(error, ValidationError) else str(error)
            raise MendError(f"step {number} of the mends cannot be read: {said}") from error
    return tuple(found)


def _said(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    said = first["msg"].removeprefix("Value error, ")
    return f"{place}: {said}" if place else said
