"""What a run keeps and writes: its folder, its OME-Zarr and its table."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
