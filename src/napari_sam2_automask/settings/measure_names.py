"""What can be measured of objects: each measure once, for the setting, the tables and the formats."""

from __future__ import annotations

from typing import Any, NamedTuple

from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.settings.numbers import shown

__all__ = [
    "MEASURES",
    "STATISTICS",
    "MeasureInfo",
    "check_measures",
    "is_measure",
    "read_measures",
    "with_unit",
]


class MeasureInfo(NamedTuple):
    """What is known of a measure.

    Attributes
    ----------
    name : str
        What it is called in settings; also its column, if it has one.
    help : str
        What it is, in a few words.
    power : int
        1 for lengths, 2 for areas, 3 for volumes, which are told in micrometres too; else 0.
    axes : str
        ``"2"``, ``"3"`` or ``"23"``: whether it is one of flat objects, of bodies, or of both.
    intensity : bool
        Whether it is one of the pixels' values, of which there is a column for each channel.
    """

    name: str
    help: str
    power: int = 0
    axes: str = "23"
    intensity: bool = False

    def columns(self, dimensions: int) -> tuple[str, ...]:
        """Return its columns in pixels, for objects of two or three dimensions; none if it has no meaning."""
        if str(dimensions) not in self.axes:
            return ()
        if self.name == "centroid":
            return tuple(f"centroid_{axis}" for axis in "zyx"[-dimensions:])
        return (self.name,)


_ALL = (
    MeasureInfo("centroid", "mean of the pixels' rows and columns, from the middle of the first pixel", 1),
    MeasureInfo("perimeter", "length of the outlines, those of holes included", 1, "2"),
    MeasureInfo("circularity", "4 pi area / perimeter squared, at most 1", 0, "2"),
    MeasureInfo("solidity", "share of the convex hull that is covered"),
    MeasureInfo("extent", "share of the box that is covered"),
    MeasureInfo("eccentricity", "0 of a circle, towards 1 of a line, of the ellipse of like moments", 0, "2"),
    MeasureInfo("equivalent_diameter", "diameter of the disc of this area, or ball of this volume", 1),
    MeasureInfo("axis_major_length", "longest axis of the ellipse of like moments", 1),
    MeasureInfo("axis_minor_length", "shortest axis of the ellipse of like moments", 1),
    MeasureInfo("feret_diameter_max", "largest distance of two points of the outline", 1, "2"),
    MeasureInfo("feret_diameter_min", "smallest distance of two parallel lines around it", 1, "2"),
    MeasureInfo("orientation", "angle of the long axis to the rows' axis, radians, as in skimage", 0, "2"),
    MeasureInfo("volume", "voxels", 3, "3"),
    MeasureInfo("surface_area", "area of the surface, by marching cubes", 2, "3"),
    MeasureInfo("intensity_mean", "mean of the intensities", intensity=True),
    MeasureInfo("intensity_min", "least intensity", intensity=True),
    MeasureInfo("intensity_max", "greatest intensity", intensity=True),
    MeasureInfo("intensity_std", "standard deviation of the intensities", intensity=True),
    MeasureInfo("intensity_sum", "sum of the intensities", intensity=True),
)

#: The measures by name, in the order of their columns.
MEASURES = {info.name: info for info in _ALL}
#: Those of intensities.
STATISTICS = tuple(info.name for info in _ALL if info.intensity)
#: What columns start with that say where objects lie or what they are called.
_PLACES = frozenset(
    (
        "index", "bbox", "point", "crop", "centroid", "level", "parent", "plane", "planes", "first", "last",
        "split", "merged",
    )
)  # fmt: skip
#: Words that stand for several when settings are written.
_GROUPS = {
    "shape": tuple(info.name for info in _ALL if not info.intensity),
    "intensity": STATISTICS,
    "all": tuple(MEASURES),
}


def is_measure(column: str) -> bool:
    """Tell whether a column of a table is a quantity, not a place, a name or a number of something."""
    return column.split("_")[0] not in _PLACES


def with_unit(column: str, power: int) -> str:
    """Return the name of a column in micrometres: ``perimeter_um``, ``surface_area_um2``."""
    return f"{column}_um" + ("" if power == 1 else str(power))


def check_measures(value: Any) -> tuple[str, ...]:
    """Return names of measures in the order of their columns, each once.

    Raises
    ------
    SettingsError
        If it is no list of names, or a name is unknown.
    """
    if not isinstance(value, list | tuple) or len(value) > len(MEASURES):
        raise SettingsError(f"measures must be a list of names, but is {shown(value)}: give such")
    for name in value:
        if not isinstance(name, str) or name not in MEASURES:
            raise SettingsError(f"measures holds {shown(name)}: choose from {', '.join(MEASURES)}")
    return tuple(name for name in MEASURES if name in value)


def read_measures(text: str) -> tuple[str, ...]:
    """Return the names in a text such as ``"perimeter, circularity"``; ``shape`` and the like for several.

    Raises
    ------
    SettingsError
        If a name is unknown.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    names = dict.fromkeys(name for word in words for name in _GROUPS.get(word, (word,)))
    return check_measures(list(names))
