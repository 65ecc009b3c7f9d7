"""GeoJSON as QuPath writes and reads it: a feature for each object, with its measures."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.disk.json_file import COCO_LIMIT, read_json
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.formats.outlined import Outlines, read_outlines
from napari_sam2_automask.files.web_address import given_path

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam2_automask.files.formats.outlined import Outlined
    from napari_sam2_automask.geometry.rings import Polygon

__all__ = ["geojson_of", "is_geojson", "read_geojson"]

_KIND = "a GeoJSON file with polygons"
#: Numbers of the corners of all polygons of a file.
_MOST = 200_000_000


def geojson_of(outlines: Outlines, object_type: str = "detection") -> dict[str, Any]:
    """Describe objects as QuPath does.

    Parameters
    ----------
    outlines : Outlines
        The objects.
    object_type : {"detection", "annotation"}
        What QuPath shall take them for.

    Returns
    -------
    dict
        A FeatureCollection. A feature's geometry is a Polygon, or a MultiPolygon of an object of several
        parts, along the edges of its pixels, each ring closed, holes after their outline; its ``plane`` is
        the place in a stack. Its properties are ``objectType``, ``name`` (the number) and ``measurements``,
        the columns of the table.
    """
    measured = outlines.measured()
    features = [
        {
            "type": "Feature",
            "geometry": _geometry(one, outlines.axis),
            "properties": {
                "objectType": object_type,
                "name": str(one.label),
                "measurements": measured.get(one.label, {}),
            },
        }
        for one in outlines.objects
    ]
    return {"type": "FeatureCollection", "features": features}


def _geometry(one: Outlined, axis: str) -> dict[str, Any]:
    parts = [_rings(part) for part in one.polygons]
    single = len(parts) == 1
    geometry: dict[str, Any] = {"type": "Polygon" if single else "MultiPolygon"}
    geometry["coordinates"] = parts[0] if single else parts
    if one.plane is not None:
        places = {"z": 0, "t": 0} | {axis: one.plane}
        geometry["plane"] = {"c": -1, **places}
    return geometry


def _rings(part: Polygon) -> list[list[list[int]]]:
    return [[*ring.tolist(), ring[0].tolist()] for ring in (part.outer, *part.holes)]


def is_geojson(data: Any) -> bool:
    """Tell whether parsed JSON is a collection of features, or a list of them as QuPath used to write."""
    if isinstance(data, dict):
        return data.get("type") in ("FeatureCollection", "Feature")
    return isinstance(data, list) and bool(data) and is_geojson(data[0])


def read_geojson(path: str | Path, shape: tuple[int, int] | None = None) -> Outlines:
    """Read the polygons of a GeoJSON file.

    Parameters
    ----------
    path : str or Path
        The file.
    shape : (int, int), optional
        Rows and columns of the image, which the file does not tell; as many as the areas need when left out.

    Returns
    -------
    Outlines
        Its table holds the measurements, if there are any. What is no polygon is left out and counted.

    Raises
    ------
    ImageError
        If the file cannot be read, or holds no polygons.
    """
    path = given_path(path)
    import pandas as pd

    data = read_json(path, _KIND, ImageError, limit=COCO_LIMIT)
    if not is_geojson(data):
        raise ImageError(f"{path} is no GeoJSON: give {_KIND}")
    features = data if isinstance(data, list) else data.get("features", [data])
    left_out: Counter[str] = Counter()
    found, measured = [], []
    for feature in features if isinstance(features, list) else []:
        try:
            one, numbers = _object(feature)
        except (TypeError, ValueError, LookupError, AttributeError, OverflowError):
            left_out["features without polygons"] += 1
            continue
        found.append(one)
        measured.append(numbers)
    outlines = read_outlines(path, found, shape, left_out)
    if not any(measured) or len(outlines.objects) < len(found):
        return outlines
    table = pd.DataFrame(measured)
    table = table[[name for name in table if name != "index"]]
    table.insert(0, "index", [one.label for one in outlines.objects])
    return Outlines(
        path.name, outlines.shape, outlines.objects, outlines.planes, table=table, left_out=left_out
    )


def _object(feature: Any) -> tuple[tuple[str, int | None, list[NDArray[np.float64]]], dict[str, float]]:
    """Return name, plane and rings of a feature, and its measurements."""
    geometry, properties = feature["geometry"], feature.get("properties") or {}
    parts = {"Polygon": [geometry["coordinates"]], "MultiPolygon": geometry["coordinates"]}[geometry["type"]]
    rings = [np.asarray(ring, np.float64)[:, :2] for part in parts for ring in part]
    if not rings or any(ring.ndim != 2 or len(ring) < 3 for ring in rings):
        raise ValueError("a ring has three corners at least")
    plane = geometry.get("plane")
    place = None if plane is None else max(int(plane.get("z", 0)), int(plane.get("t", 0)), 0)
    found = properties.get("measurements") or {}
    # Earlier versions of QuPath write a list.
    if isinstance(found, list):
        found = {one["name"]: one["value"] for one in found}
    numbers = {str(name): float(value) for name, value in found.items() if isinstance(value, int | float)}
    return (str(properties.get("name") or ""), place, rings), numbers
