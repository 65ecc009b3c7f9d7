"""Learn from these: a model fitted to a person's own images, and what training needs."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
