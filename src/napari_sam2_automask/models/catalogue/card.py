"""What the file of a learned model says of itself: bounded JSON in its header, checked when it is read."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import struct
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
)

from napari_sam2_automask.errors import ModelError, SettingsError
from napari_sam2_automask.settings.amg import AmgSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

__all__ = ["CARD_KEY", "MOST_METADATA", "OWN_PRESETS", "Card", "card_in_header", "hash_of_weights"]

CARD_KEY = "sam2-automask"
"""The one entry of the header's metadata in which the card lies."""
MOST_METADATA = 64 * 1024
"""Bytes that all metadata of a file may have."""
OWN_PRESETS = ("coarse", "balanced", "fine")
"""Presets that a learned model brings along."""

_MOST_HEADER = 4 << 20
_MOST_PICTURE = 32 * 1024


def _as_settings(value: Any) -> AmgSettings:
    if isinstance(value, AmgSettings):
        return value
    if not isinstance(value, dict):
        raise ValueError("settings are names and values")
    try:
        return AmgSettings.from_json(value)
    except SettingsError as error:
        raise ValueError(str(error)) from error


def _picture(text: str) -> str:
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("a thumbnail is a PNG in base64") from error
    if content and not content.startswith(b"\x89PNG\r\n\x1a\n"):
        raise ValueError("a thumbnail is a PNG in base64")
    return text


def _plain(text: str) -> str:
    if not text.isprintable():
        raise ValueError("a text holds characters that do not show")
    return text


if TYPE_CHECKING:
    Settings: TypeAlias = AmgSettings
else:  # the class checks itself
    Settings = Annotated[Any, PlainValidator(_as_settings), PlainSerializer(AmgSettings.to_json)]

Hash: TypeAlias = Annotated[str, Field(strict=True, pattern="^[0-9a-f]{64}$")]
Count: TypeAlias = Annotated[int, Field(strict=True, ge=0, le=2**53)]
Share: TypeAlias = Annotated[float, Field(strict=True, ge=0, le=1)]
Line: TypeAlias = Annotated[str, Field(strict=True, min_length=1, max_length=200), AfterValidator(_plain)]
Picture: TypeAlias = Annotated[str, Field(strict=True, max_length=_MOST_PICTURE), AfterValidator(_picture)]


class Card(BaseModel):
    """What a learned model says of itself. Entries that it does not know are refused.

    Attributes
    ----------
    name : str
        What its maker called it.
    date : str
        When it was made, ISO 8601.
    base, base_sha256 : str
        The model that it was learned from, and the hash of that one's file.
    config : str
        What kind of network it is: ``"bundled"``, or as ``"sam2.1-tiny"``.
    learned_from : str
        SHA-256 of the images, labels and regions that it was learned from.
    images, objects : int
        How many those were.
    colours : str
        ``"gray"`` or ``"colour"``: what the images were.
    seed, steps, threads : int
        With what was learned from, base and processor these give the same weights again.
    minutes : float
        How long that took.
    measure : str
        What `before` and `after` are: ``"accuracy"``, the mean segmentation accuracy, or where not all
        objects were labelled ``"iou"``, the mean IoU of labelled objects with the label that fits best.
    before, after : float
        Scores with preset balanced on what was held back, of the base and of this model.
    presets : mapping of str to AmgSettings
        Its own coarse, balanced and fine.
    weights_sha256 : str
        See `hash_of_weights`: the card is that of the weights beside it.
    thumbnail : str
        A small PNG of an image learned from, in base64; may be empty.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: Literal["sam2-automask-model"] = "sam2-automask-model"
    version: Literal[1] = 1
    name: Line
    date: Annotated[str, Field(strict=True, pattern=r"^\d{4}-\d\d-\d\d(T[0-9:.+Z-]{1,24})?$")]
    base: Line
    base_sha256: Hash
    config: Line = "bundled"
    learned_from: Hash
    images: Count
    objects: Count
    colours: Literal["gray", "colour"]
    seed: Count
    steps: Count
    threads: Count
    minutes: Annotated[float, Field(strict=True, ge=0)]
    measure: Literal["accuracy", "iou"]
    before: Share
    after: Share
    presets: dict[str, Settings]
    weights_sha256: Hash
    thumbnail: Picture = ""

    def to_metadata(self) -> dict[str, str]:
        """Return the metadata of the file.

        Raises
        ------
        ModelError
            If there is more of it than `MOST_METADATA`.
        """
        text = json.dumps(self.model_dump(mode="json"), ensure_ascii=True)
        # One entry only: safetensors writes several in any order, and a model would be a new file each time.
        metadata = {CARD_KEY: text}
        _check_size(metadata)
        return metadata

    @classmethod
    def of_metadata(cls, metadata: Mapping[str, Any]) -> Card | None:
        """Read a card; None where the metadata are of a file without one.

        Raises
        ------
        ModelError
            If it is damaged, too large, or says what is not allowed.
        """
        if CARD_KEY not in metadata:
            return None
        _check_size(metadata)
        odd = sorted(metadata.keys() - {"format", CARD_KEY})
        if odd:
            raise ModelError(
                f"its metadata hold {odd[0][:60]!r}, which a learned model does not have. {_ASK}"
            )
        try:
            card = cls.model_validate_json(metadata[CARD_KEY])
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])[:80] or "its text"
            raise ModelError(
                f"what it says of itself is not allowed ({where}: {first['msg'][:160]}). {_ASK}"
            ) from error
        if set(card.presets) != set(OWN_PRESETS):
            raise ModelError(f"its presets are not {', '.join(OWN_PRESETS)}. {_ASK}")
        return card


_ASK = "Ask its maker for the file as `learn` wrote it."


def _check_size(metadata: Mapping[str, Any]) -> None:
    size = sum(len(str(key).encode()) + len(str(value).encode()) for key, value in metadata.items())
    if size > MOST_METADATA:
        raise ModelError(f"its metadata have {size:,} bytes, and {MOST_METADATA:,} are the limit. {_ASK}")


def card_in_header(read: Callable[[int], bytes]) -> Card | None:
    """Read the card in the header of a safetensors file, and nothing of its weights.

    Parameters
    ----------
    read : callable
        Takes a number of bytes and returns the next ones of the file, from its beginning.

    Returns
    -------
    Card or None
        None for files that are no safetensors, and for those without a card.

    Raises
    ------
    ModelError
        As `Card.of_metadata`.
    """
    beginning = read(8)
    if len(beginning) < 8:
        return None
    (length,) = struct.unpack("<Q", beginning)
    if not 2 <= length <= _MOST_HEADER:
        return None
    try:
        header = json.loads(read(length))
    except (ValueError, RecursionError):
        return None
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    if not isinstance(metadata, dict):
        return None
    return Card.of_metadata(metadata)


def hash_of_weights(weights: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of names, precision, shapes and values of weights, whatever order they lie in."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        value = weights[name].detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()
