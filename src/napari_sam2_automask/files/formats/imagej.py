"""ImageJ ROI sets: a ``.zip`` of outlines that the ROI manager of ImageJ and Fiji opens."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.disk.regular import check_regular
from napari_sam2_automask.errors import FormatError, ImageError
from napari_sam2_automask.files.formats.outlined import Outlines, read_outlines
from napari_sam2_automask.files.web_address import given_path

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam2_automask.files.formats.outlined import Outlined

__all__ = ["holds_rois", "read_rois", "rois_zip"]

# ImageJ keeps the corners of boxes in 16 bits with a sign.
_FARTHEST = 32_767
#: Bytes of a file that is read, of one ROI in it, of all, and ROIs of it.
_LARGEST, _LARGEST_ROI, _IN_ALL, _MOST = 1 << 30, 64 << 20, 1 << 30, 1_000_000
# Commands of a path: go there, draw a line there, close.
_MOVE, _LINE, _CLOSE = 0.0, 1.0, 4.0


def rois_zip(outlines: Outlines) -> bytes:
    """Return a ROI set: for each object an outline along the edges of its pixels, called by its number.

    An object of several parts or with holes is one composite ROI. In a stack each plane of an object is a ROI
    with its position, called by plane and number. The same objects give the same bytes.

    Raises
    ------
    FormatError
        If the image is larger than ImageJ's coordinates.
    """
    if max(outlines.shape) > _FARTHEST:
        raise FormatError(
            f"{outlines.name}: an ImageJ ROI set cannot hold places beyond {_FARTHEST:,} pixels: save GeoJSON"
        )
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for one in outlines.objects:
            name = f"{one.label}" if one.plane is None else f"{one.plane + 1:04d}-{one.label}"
            archive.writestr(zipfile.ZipInfo(f"{name}.roi"), _roi(one, name), zipfile.ZIP_DEFLATED)
    return file.getvalue()


def _roi(one: Outlined, name: str) -> bytes:
    from roifile import ROI_TYPE, ImagejRoi

    parts = one.polygons
    rings = [ring for part in parts for ring in (part.outer, *part.holes)]
    if len(rings) == 1:
        roi = ImagejRoi.frompoints(rings[0].astype(np.int32), name=name)
        roi.roitype = ROI_TYPE.TRACED
        # `frompoints` counts the last pixel that a corner lies in.
        roi.right, roi.bottom = roi.right - 1, roi.bottom - 1
    else:
        roi = ImagejRoi()
        roi.name, roi.roitype = name, ROI_TYPE.RECT
        path = np.concatenate([_path(ring) for ring in rings])
        roi.multi_coordinates, roi.shape_roi_size = path, len(path)
        roi.top, roi.left, roi.bottom, roi.right = one.placed.extent
    if one.plane is not None:
        roi.position = one.plane + 1
    return bytes(roi.tobytes())


def _path(ring: NDArray[np.int64]) -> NDArray[np.float32]:
    steps = np.column_stack([np.full(len(ring), _LINE), ring])
    steps[0, 0] = _MOVE
    return np.append(steps.ravel(), _CLOSE).astype(np.float32)


def holds_rois(path: Path) -> bool:
    """Tell whether a file is a zip with ROIs in it."""
    try:
        check_regular(path)
        with zipfile.ZipFile(path) as archive:
            return any(name.lower().endswith(".roi") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError):
        return False


def read_rois(path: str | Path, shape: tuple[int, int] | None = None) -> Outlines:
    """Read the areas of an ImageJ ROI set, or of a single ``.roi`` file.

    Parameters
    ----------
    path : str or Path
        The file.
    shape : (int, int), optional
        Rows and columns of the image, which the file does not tell; as many as the areas need when left out.

    Returns
    -------
    Outlines
        Polygons, freehand and traced outlines, rectangles, ovals and composites; on planes where they have
        positions. Points, lines and text are left out and counted.

    Raises
    ------
    ImageError
        If the file cannot be read, or holds no areas.
    """
    path = given_path(path)
    left_out: Counter[str] = Counter()
    found = []
    for data in _members(path):
        try:
            one = _area(data)
        except Exception:  # roifile raises what NumPy, struct and its own checks do
            left_out["ROIs that are damaged"] += 1
            continue
        if one is None:
            left_out["ROIs that are no areas"] += 1
        else:
            found.append(one)
    return read_outlines(path, found, shape, left_out)


def _members(path: Path) -> list[bytes]:
    try:
        if check_regular(path).st_size > _LARGEST:
            raise ImageError(f"{path} has more than {_LARGEST:,} bytes: give a smaller ROI set")
        if not zipfile.is_zipfile(path):
            return [path.read_bytes()]
        with zipfile.ZipFile(path) as archive:
            infos = [one for one in archive.infolist() if one.filename.lower().endswith(".roi")]
            sizes = [one.file_size for one in infos]
            if len(infos) > _MOST or sum(sizes) > _IN_ALL or max(sizes, default=0) > _LARGEST_ROI:
                raise ImageError(f"{path} holds more than can be read: give a smaller ROI set")
            return [archive.read(one) for one in infos]
    except OSError as error:
        raise ImageError(f"cannot read {path} ({error.strerror or error}): check the path") from error
    except ImageError:
        raise
    except Exception as error:  # each way of packing raises errors of its own
        raise ImageError(f"{path} is no ROI set ({error}): give a .zip of the ROI manager") from error


def _area(data: bytes) -> tuple[str, int | None, list[Any]] | None:
    """Return name, plane and outlines of a ROI; None of what is no area."""
    from roifile import ROI_TYPE, ImagejRoi

    roi = ImagejRoi.frombytes(data)
    areas = (ROI_TYPE.POLYGON, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED, ROI_TYPE.RECT, ROI_TYPE.OVAL)
    if roi.roitype not in areas:
        return None
    rings = [np.asarray(ring, np.float64) for ring in roi.coordinates(multi=True)]
    rings = [ring for ring in rings if len(ring) >= 3]
    position = max(roi.position, roi.z_position, roi.t_position)
    return (roi.name, position - 1 if position > 0 else None, rings) if rings else None
