"""Stacks and movies: objects linked, or carried, from plane to plane."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
