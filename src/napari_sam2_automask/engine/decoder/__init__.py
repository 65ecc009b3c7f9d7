"""The mask decoder: exact, and in low rank for many prompts at once."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
