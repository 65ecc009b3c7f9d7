"""A part of an image plane: what the model sees of it, and which objects count."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from napari_sam2_automask.errors import AutomaskError, SettingsError
from napari_sam2_automask.geometry.mask_decoding import decode_mask, is_number
from napari_sam2_automask.geometry.run_lengths import compressed_rle
from napari_sam2_automask.settings.units import in_micrometres

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


__all__ = ["Region"]

Result = TypeVar("Result", bound=Any)


@dataclass(frozen=True, eq=False)
class Region:
    """A part of a plane (Y, X): the model sees the box, and objects outside the mask are left out.

    Attributes
    ----------
    name : str
        What it is called in the result's name.
    box : (int, int, int, int)
        ``y0, x0, y1, x1``, end exclusive.
    mask : (y1 - y0, x1 - x0) bool array or None
        The region inside its box; None for all of the box.
    """

    name: str
    box: tuple[int, int, int, int]
    mask: NDArray[np.bool_] | None = None

    @property
    def key(self) -> list[Any]:
        """What two equal regions have in common; JSON-able."""
        digest = "" if self.mask is None else hashlib.blake2b(self.mask.tobytes(), digest_size=8).hexdigest()
        return [*self.box, digest]

    def to_json(self) -> dict[str, Any]:
        """Return the region as a record holds it: name, box, and the mask in COCO's run lengths."""
        rle = None if self.mask is None else compressed_rle(0, 0, self.mask, self.mask.shape)["counts"]
        return {"name": self.name, "box": list(self.box), "mask": rle}

    @classmethod
    def from_json(cls, data: Any) -> Region:
        """Read a region from a record.

        Raises
        ------
        SettingsError
            If it cannot be read: it was edited, or written by a version that did not keep regions.
        """
        try:
            y0, x0, y1, x1 = (int(place) for place in data["box"] if is_number(place))
            size = (y1 - y0, x1 - x0)
            if min(y0, x0) < 0 or min(size) < 1 or [y0, x0, y1, x1] != list(data["box"]):
                raise ValueError("no box of pixels")
            rle = data["mask"]
            mask = None if rle is None else decode_mask({"size": list(size), "counts": rle}, size)
            return cls(str(data["name"]), (y0, x0, y1, x1), mask)
        except (KeyError, TypeError, ValueError, AutomaskError) as error:
            raise SettingsError(
                "the record does not say which part of the image it is of: crop the image, and run again"
            ) from error

    def cut(self, plane: NDArray[Any]) -> NDArray[Any]:
        """Return the box of a plane (Y, X) or (Y, X, C), a view."""
        y0, x0, y1, x1 = self.box
        return plane[y0:y1, x0:x1]

    def restore(self, result: Result, shape: tuple[int, int]) -> Result:
        """Put the labels and the table of a result of the box into the whole plane, of `shape`."""
        size, unit = (result.record.get(name) for name in ("pixel_size", "unit"))
        table = self.shifted(result.table, size, unit)
        return replace(result, labels=self.widened(result.labels, shape), table=table)

    def widened(self, labels: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
        """Return labels (..., y, x) of the box in those of the whole plane, of `shape`; 0 around them."""
        y0, x0, y1, x1 = self.box
        whole = np.zeros((*labels.shape[:-2], *shape), labels.dtype)
        whole[..., y0:y1, x0:x1] = labels
        return whole

    def shifted(self, table: Any, pixel_size: Sequence[float] | None, unit: str | None) -> Any:
        """Return a table of the box with places counted in the whole plane, whose pixels have a size."""
        sides = [in_micrometres((side,), unit) for side in pixel_size or (1.0, 1.0)]
        table = table.copy()
        for column in table.columns:
            kind, _, place = str(column).partition("_")
            if kind in ("bbox", "point", "crop", "centroid"):
                axis = 0 if place.startswith("y") else 1
                step = sides[axis] if place.endswith("_um") else 1
                table[column] += self.box[axis] * (step or 1)
        return table
