"""SAM 2 automatic mask generation for napari: everything in an image, segmented.

Three verbs: `propose` runs the model once and keeps every mask worth keeping, `select` chooses among them,
`paint` turns the chosen ones into a label image with a table. `segment` is the three in a row.

The names of `__init__.pyi` are imported when they are first used, here and in every room, so that importing
the package loads neither torch nor napari.
"""

from importlib.metadata import PackageNotFoundError, version

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)

try:
    __version__ = version("napari-sam2-automask")
except PackageNotFoundError:  # used from a source tree that is not installed
    __version__ = "0.0.0"

__all__ = ["__version__", *__all__]
