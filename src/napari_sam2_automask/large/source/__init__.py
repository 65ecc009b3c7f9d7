"""Where tiles come from, and what is measured of the whole image beforehand."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
