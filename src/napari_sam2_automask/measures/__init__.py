"""Measures of objects: shapes of masks and bodies, in pixels and in micrometres."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
