"""The engine: image encoder, exact fast mask decoder, point grid and crops."""

import lazy_loader as _lazy

from napari_sam2_automask.models.runtime.process_guards import avoid_triton_crash

# Before anything here imports torchvision.
avoid_triton_crash()

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
