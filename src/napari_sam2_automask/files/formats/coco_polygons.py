"""COCO JSON with polygons in place of run lengths, for programs that read nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_sam2_automask.files.formats.outlined import Outlines

__all__ = ["coco_polygons_of"]

_KIND = "COCO with polygons"


def coco_polygons_of(outlines: Outlines) -> dict[str, Any]:
    """Describe objects as COCO annotations with polygons along the edges of their pixels.

    Returns
    -------
    dict
        As `to_coco` gives it, with ``segmentation`` a list of polygons, one for each part.

    Raises
    ------
    FormatError
        If an object has holes, which polygons of COCO do not, or there is a stack.
    """
    outlines.refuse_stack(_KIND)
    parts = {one.label: one.polygons for one in outlines.objects}
    wrong = [one for one in outlines.objects if any(part.holes for part in parts[one.label])]
    outlines.refuse(wrong, _KIND, "holes", "fill them with min_mask_region_area, or keep to run lengths")
    measured = outlines.measured()
    annotations = []
    for one in outlines.objects:
        y0, x0, y1, x1 = one.placed.extent
        annotations.append(
            {
                "id": one.label,
                "image_id": 1,
                "category_id": 1,
                "iscrowd": 0,
                "segmentation": [part.outer.ravel().astype(float).tolist() for part in parts[one.label]],
                "area": one.placed.area,
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "score": measured.get(one.label, {}).get("predicted_iou", 1.0),
            }
        )
    rows, columns = outlines.shape
    return {
        "info": {"description": "napari-sam2-automask"},
        "licenses": [],
        "images": [{"id": 1, "file_name": outlines.name, "height": rows, "width": columns}],
        "categories": [{"id": 1, "name": "object", "supercategory": ""}],
        "annotations": annotations,
    }
