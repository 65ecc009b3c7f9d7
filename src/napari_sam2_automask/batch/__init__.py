"""Many files: what is to be done, doing it here or on workers, and going on where a run stopped."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
