"""The record of a run: everything needed to know what was done, and to do it again."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
