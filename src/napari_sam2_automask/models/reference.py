"""Meta's own generator on our models: the reference of the tests and benchmarks."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_automask.models.runtime.sam2_import import import_sam2

if TYPE_CHECKING:
    from sam2.automatic_mask_generator import SAM2AutomaticMaskGenerator

    from napari_sam2_automask.models.networks.model import Model
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["meta_generator"]

_META_NAMES = (
    "points_per_side", "points_per_batch", "pred_iou_thresh", "stability_score_thresh",
    "stability_score_offset", "mask_threshold", "box_nms_thresh", "crop_n_layers", "crop_nms_thresh",
    "crop_overlap_ratio", "crop_n_points_downscale_factor", "min_mask_region_area", "output_mode",
    "use_m2m", "multimask_output",
)  # fmt: skip


def meta_generator(model: Model, settings: AmgSettings) -> SAM2AutomaticMaskGenerator:
    """Make Meta's generator for a model and settings.

    Parameters
    ----------
    model : Model
        From `load_model`.
    settings : AmgSettings
        All sixteen of Meta's parameters are passed on; `overlap` is ours and is left out.

    Returns
    -------
    SAM2AutomaticMaskGenerator
        Unchanged but for the sizes of the feature maps, which the predictor fixes to those of a 1024 pixel
        input and we set to the model's own. Its ``generate`` takes uint8 of shape (Y, X, 3).
    """
    import_sam2()
    from sam2.automatic_mask_generator import SAM2AutomaticMaskGenerator

    arguments = {name: getattr(settings, name) for name in _META_NAMES}
    if settings.point_grids is not None:
        arguments["point_grids"] = [np.asarray(grid, dtype=np.float64) for grid in settings.point_grids]
    with warnings.catch_warnings():
        # sam2 scripts its resizing with torch.jit, which torch has declared old.
        warnings.filterwarnings("ignore", message=".*torch.jit.*")
        generator = SAM2AutomaticMaskGenerator(model.network, **arguments)
    generator.predictor._bb_feat_sizes = [tuple(size) for size in model.feature_sizes]
    return generator
