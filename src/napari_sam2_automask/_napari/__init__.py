"""The napari widget: the only room that imports napari, magicgui and qtpy."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
