"""What lies around the engine: passes over renderings and channels, gaps, near-duplicates, memory."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
