"""The engine: image encoder, exact fast mask decoder, point grid and crops."""

from napari_sam2_automask.models.runtime.process_guards import avoid_triton_crash

# Before anything here imports torchvision.
avoid_triton_crash()

from napari_sam2_automask.engine.asking import Asked, along, ask  # noqa: E402
from napari_sam2_automask.engine.cost import Estimate, estimate  # noqa: E402
from napari_sam2_automask.engine.encoder.cache import keep_features_in  # noqa: E402
from napari_sam2_automask.engine.proposing import estimate_diameter, propose  # noqa: E402

__all__ = [
    "Asked",
    "Estimate",
    "along",
    "ask",
    "estimate",
    "estimate_diameter",
    "keep_features_in",
    "propose",
]
