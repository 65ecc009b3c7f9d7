"""Every parameter of automatic mask generation, each defined once.

The form in napari, the options of the command line, the parameter table in the docs and the JSON record are
all made from :class:`AmgSettings` and the :class:`FieldInfo` of its fields.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeAlias, get_type_hints

from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.settings.fields import FieldInfo, PointGrids, area, field_info, fraction, param
from napari_sam2_automask.settings.filters import Filters, check_filters, read_filters, write_filters
from napari_sam2_automask.settings.measure_names import check_measures, read_measures
from napari_sam2_automask.settings.meta_parameters import MetaSettings, OutputMode
from napari_sam2_automask.settings.numbers import shown

__all__ = [
    "ALL_LEVELS", "AmgSettings", "FieldInfo", "Nested", "OutputMode", "Overlap", "PointGrids", "Prompts",
    "Renderings",
]  # fmt: skip

Overlap: TypeAlias = Literal["small_on_top", "large_on_top", "best_score", "all_levels"]
#: The overlap policy that keeps every mask whole.
ALL_LEVELS = "all_levels"
Nested: TypeAlias = Literal["keep", "choose"]
Prompts: TypeAlias = Literal["grid", "objects"]
Renderings: TypeAlias = Literal[
    "raw", "local", "raw+gamma", "raw+inverted", "raw+local", "raw+gradient", "raw+gamma+inverted"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AmgSettings(MetaSettings):
    """All settings of one segmentation: Meta's sixteen by their own names and defaults, and ours.

    The first sixteen are the parameters of ``SAM2AutomaticMaskGenerator``; `AmgSettings()` is its signature's
    defaults. Every value is checked when the object is made.

    Raises
    ------
    SettingsError
        If a value is out of range (names the field, the range and the value), or if both or neither of
        `points_per_side` and `point_grids` are given.

    Examples
    --------
    >>> AmgSettings(points_per_side=16).point_prompts
    256
    >>> AmgSettings(crop_n_layers=2).encoder_passes
    21
    """

    overlap: Overlap = param(
        "small_on_top", "Where objects overlap",
        "Which object gets the pixels that several masks share: the smaller, the larger, or the one with the "
        "better predicted IoU. All levels keeps every mask whole, in a label image for the wholes, one for "
        "what lies in them, and so on; objects in objects are kept then.",
        "output",
    )  # fmt: skip
    measures: tuple[str, ...] = param(
        (), "Measures",
        "What is measured of each object beside area, scores and mean intensity: names such as perimeter, "
        "circularity and intensity_std, or shape, intensity and all for several.",
        "output", checker=check_measures, reader=read_measures, writer=", ".join,
        example="perimeter, circularity",
    )  # fmt: skip
    expand_distance: float = param(
        0.0, "Expand to cells",
        "Objects are taken for nuclei and grown by this distance, the nearer of two first: the cells are a "
        "label image of their own, and areas and intensities are measured in ring and cell too. 0 turns this "
        "off.",
        "output", unit="pixels", power=1, minimum=0.0, maximum=10_000.0, step=1.0,
    )  # fmt: skip
    min_area: int = area("Smallest object", "Masks with fewer pixels than this are dropped.", "filter")
    max_area: int = area(
        "Largest object", "Masks with more pixels than this are dropped; 0 for no limit.", "filter"
    )
    edge_objects: bool = param(
        True, "Keep edge objects",
        "Masks that touch the edge of the image are kept. Turn off to measure only objects that are whole.",
        "filter",
    )  # fmt: skip
    filters: Filters = param(
        (), "Filters by measures",
        "Objects are kept only within these spans of their measures, such as circularity 0.8.. or perimeter "
        "20..200; lengths are in pixels, and a channel is named as in intensity_mean_DAPI.",
        "filter", checker=check_filters, reader=read_filters, writer=write_filters,
        example="circularity 0.8.., perimeter 20..200",
    )  # fmt: skip
    duplicate_iou: float = fraction(
        1.0, "Duplicate IoU",
        "Two masks that share at least this much (IoU of their pixels, not of their boxes) are the same "
        "object, and only the better is kept; 1 turns this off.",
        "filter",
    )  # fmt: skip
    nested: Nested = param(
        "keep", "Objects in objects",
        "Keep masks that lie inside others together with them, or choose between a whole and its parts by "
        "granularity, so that each object has one label.",
        "masks",
    )  # fmt: skip
    granularity: float = param(
        0.5, "Granularity",
        "With nested objects to choose from: 0 gives the wholes, 1 the smallest parts, values between prefer "
        "masks of a size between, everywhere in the image.",
        "masks", minimum=0.0, maximum=1.0, step=0.01,
    )  # fmt: skip

    prompts: Prompts = param(
        "grid", "Where to ask",
        "On a grid of points, or at the objects that the bundled model sees at a glance, a few times each: a "
        "fraction of the points. Points per side do not count then. Another model is told where by the "
        "bundled one.",
        "grid",
    )  # fmt: skip
    fit_objects: bool = param(
        False, "Fit to object size",
        "A first pass estimates how large typical objects are; magnification and the distance of points then "
        "fit them, and points per side and crop layers do not count.",
        "grid",
    )  # fmt: skip
    object_diameter: float = param(
        0.0, "Object diameter",
        "How wide a typical object is, where it is known: magnification and the distance of points fit it, "
        "and points per side and crop layers do not count. 0 where it is not known.",
        "grid", unit="pixels", power=1, minimum=0.0, maximum=10_000.0, step=1.0,
    )  # fmt: skip
    points_per_diameter: int = param(
        2, "Points per diameter",
        "With an object size: how many points stand side by side in a typical object. With prompts at "
        "objects: how many points are asked around each, beside its centre and the way to its neighbour.",
        "grid", unit="points", minimum=1, maximum=16, step=1,
    )  # fmt: skip
    renderings: Renderings = param(
        "raw", "Renderings",
        "What the model is shown: the image as it is, local contrast (CLAHE) in its place, or other "
        "renderings beside it (inverted, local contrast, gamma 0.5, gradient as colour), with the masks of "
        "all pooled. Each costs a whole pass.",
        "grid",
    )  # fmt: skip
    fill_gaps: bool = param(
        False, "Ask again in gaps",
        "Where no mask lies after a first pass the model is asked again, at points twice as dense. Finds "
        "objects between the points of the grid.",
        "grid",
    )  # fmt: skip
    half_precision: bool = param(
        False, "Half precision",
        "On an NVIDIA graphics card more than half of a SAM 2 image encoder computes in half precision, "
        "which is quicker on small cards; outlines move by single pixels. The bundled model and a CPU "
        "compute in single precision all the same.",
        "grid",
    )  # fmt: skip
    candidate_memory: int = param(
        1000, "Memory for candidates",
        "The most memory that the masks found may take before they are selected from. Beyond it the worst "
        "rated are left out, and their number is told.",
        "grid", unit="MB", minimum=1, maximum=1_000_000, step=100,
    )  # fmt: skip
    gap_leniency: float = param(
        0.0, "Leniency in gaps",
        "Where no other mask lies, masks may be rated this much below the predicted IoU threshold, and half "
        "as much below the stability threshold, if they are about as large as the others.",
        "filter", minimum=0.0, maximum=0.5, step=0.01,
    )  # fmt: skip

    likeness: float = param(
        0.0, "Weight of likeness",
        "How much less a mask's predicted IoU counts, at most, for an area far outside the typical sizes, "
        "and as much again for a brightness far outside the typical ones. 0 turns this off.",
        "typical", minimum=0.0, maximum=0.5, step=0.01,
    )  # fmt: skip
    typical_smallest: int = area(
        "Smallest typical", "Area of the smallest typical objects; smaller masks count for less.", "typical"
    )
    typical_largest: int = area(
        "Largest typical",
        "Area of the largest typical objects; larger masks count for less. 0 if size shall not count.",
        "typical",
    )
    typical_darkest: int = param(
        0, "Darkest typical",
        "Mean gray level of the darkest typical objects in what the model sees, from 0 (black) to 255; "
        "darker masks count for less.",
        "typical", minimum=0, maximum=255, step=1,
    )  # fmt: skip
    typical_brightest: int = param(
        255, "Brightest typical",
        "Mean gray level of the brightest typical objects in what the model sees, from 0 to 255 (white); "
        "brighter masks count for less.",
        "typical", minimum=0, maximum=255, step=1,
    )  # fmt: skip

    def __post_init__(self) -> None:
        for info in self.fields():
            object.__setattr__(self, info.name, info.check(getattr(self, info.name)))
        if (self.points_per_side is None) == (self.point_grids is None):
            raise SettingsError(
                "points_per_side and point_grids exclude each other: give one and set the other to None"
            )
        if self.point_grids is not None and len(self.point_grids) <= self.crop_n_layers:
            raise SettingsError(
                f"point_grids holds {len(self.point_grids)} grids, but crop_n_layers={self.crop_n_layers} "
                f"needs {self.crop_n_layers + 1}: give one grid for the image and one for each crop layer"
            )
        if self.overlap == ALL_LEVELS and self.nested == "choose":
            raise SettingsError(
                f"overlap={ALL_LEVELS} keeps objects in objects, and nested=choose leaves one of each: set "
                "nested to keep, or overlap to another value"
            )
        if self.overlap == ALL_LEVELS and self.expand_distance > 0:
            raise SettingsError(
                f"expand_distance={self.expand_distance:g} grows the objects of one label image, and overlap="
                f"{ALL_LEVELS} gives several: set the first to 0, or overlap to another value"
            )
        if 0 < self.max_area < self.min_area:
            raise SettingsError(
                f"max_area={self.max_area} is less than min_area={self.min_area}, which leaves no object: "
                "raise the first (0 for no limit) or lower the second"
            )
        if 0 < self.typical_largest < self.typical_smallest:
            raise _swapped(self, "typical_smallest", "typical_largest")
        if self.typical_brightest < self.typical_darkest:
            raise _swapped(self, "typical_darkest", "typical_brightest")
        if self.points_in_layer(self.crop_n_layers) == 0:
            raise SettingsError(
                f"points_per_side={self.points_per_side} leaves no point in crop layer {self.crop_n_layers} "
                f"with crop_n_points_downscale_factor={self.crop_n_points_downscale_factor}: "
                "raise the first or lower the second"
            )

    @classmethod
    @cache
    def fields(cls) -> tuple[FieldInfo, ...]:
        """Return what is known about each parameter, in the order of definition."""
        hints = get_type_hints(cls)
        return tuple(field_info(item, hints[item.name]) for item in dataclasses.fields(cls))

    def replace(self, **changes: Any) -> AmgSettings:
        """Return a copy with some values changed.

        Raises
        ------
        SettingsError
            If a name is unknown or a value out of range.
        """
        refuse_unknown(changes)
        return dataclasses.replace(self, **changes)

    def adjusted(self, **changes: Any) -> AmgSettings:
        """Return a copy changed as people mean it.

        Who asks for points or crops wants those on a grid, not a fit; who asks for all levels wants nested
        objects kept, and who chooses between nested objects has but one level.

        Raises
        ------
        SettingsError
            If a name is unknown or a value out of range.
        """
        if changes.keys() & _GRID:
            changes.setdefault("prompts", "grid")
            if not changes.keys() & _FIT:
                changes |= {"fit_objects": False, "object_diameter": 0.0}
        if changes.get("overlap") == ALL_LEVELS:
            changes.setdefault("nested", "keep")
        elif changes.get("nested") == "choose" and self.overlap == ALL_LEVELS:
            changes.setdefault("overlap", "small_on_top")
        return self.replace(**changes)

    def to_json(self) -> dict[str, Any]:
        """Return the settings as JSON has them, lists for tuples; :meth:`from_json` reads that back."""
        return {name: _as_in_json(value) for name, value in dataclasses.asdict(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> AmgSettings:
        """Make settings from a dictionary; parameters left out keep their defaults.

        Raises
        ------
        SettingsError
            If a name is unknown or a value out of range.
        """
        if not isinstance(data, Mapping):
            raise SettingsError(f"settings are names with values, but these are {shown(data)}: give such")
        refuse_unknown(data)
        return cls(**data)

    @property
    def fitted(self) -> bool:
        """Whether magnification, and the distance of points, follow the size of the objects."""
        return self.fit_objects or self.object_diameter > 0

    @property
    def at_objects(self) -> bool:
        """Whether the model is asked at objects that were seen, not on a grid."""
        return self.prompts == "objects"

    @property
    def cost_words(self) -> tuple[str, str]:
        """Encoder passes and point prompts in words; with a fit or at objects they depend on the image."""
        passes, prompts = f"{self.encoder_passes:,}", f"{self.point_prompts:,}"
        if self.fitted:
            passes = prompts = "by object size"
        return passes, "a few an object" if self.at_objects else prompts

    @property
    def encoder_passes(self) -> int:
        """How often the image encoder runs without a fit: 1 + 4 + ... + 4^n for n crop layers."""
        return sum(4**layer for layer in range(self.crop_n_layers + 1))

    @property
    def point_prompts(self) -> int:
        """How many point prompts are asked over all crops on the grid, without a fit."""
        return sum(4**layer * self.points_in_layer(layer) for layer in range(self.crop_n_layers + 1))

    @property
    def masks_per_point(self) -> int:
        """How many masks the model answers a point with."""
        return 3 if self.multimask_output else 1

    @property
    def lowest_scores(self) -> tuple[float, float]:
        """The predicted IoU and the stability that a mask needs at least, where no other lies."""
        return (
            max(0.0, self.pred_iou_thresh - self.gap_leniency),
            max(0.0, self.stability_score_thresh - self.gap_leniency / 2),
        )

    def points_in_layer(self, layer: int) -> int:
        """How many point prompts each crop of crop layer `layer` (0 is the whole image) is asked."""
        if self.point_grids is not None:
            return len(self.point_grids[layer])
        assert self.points_per_side is not None
        # Truncated like Meta's build_all_layer_point_grids.
        return int(self.points_per_side / self.crop_n_points_downscale_factor**layer) ** 2


# What a fit to the size of the objects takes the place of, and what asks for one.
_GRID = {
    "points_per_side", "point_grids", "crop_n_layers", "crop_overlap_ratio", "crop_n_points_downscale_factor",
}  # fmt: skip
_FIT = {"fit_objects", "object_diameter"}
# Unknown names that a message tells.
_TOLD = 5


def _swapped(settings: AmgSettings, low: str, high: str) -> SettingsError:
    least, most = getattr(settings, low), getattr(settings, high)
    return SettingsError(f"{high}={most} is less than {low}={least}: swap them")


def refuse_unknown(names: Iterable[Any]) -> None:
    """Raise a SettingsError that names parameters which do not exist, the first few, and those which do."""
    known = [info.name for info in AmgSettings.fields()]
    unknown = [name for name in names if not isinstance(name, str) or name not in known]
    if unknown:
        told = ", ".join(map(shown, unknown[:_TOLD])) + (" and others" if len(unknown) > _TOLD else "")
        raise SettingsError(f"no parameter named {told}: choose from {', '.join(known)}")


def _as_in_json(value: Any) -> Any:
    return [_as_in_json(item) for item in value] if isinstance(value, tuple | list) else value
