"""The disk: files that are whole or not there, and JSON that says what is wrong with it."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
