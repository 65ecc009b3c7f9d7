"""Boxes, spans, overlaps, islands and holes: arithmetic on arrays that knows no settings."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
