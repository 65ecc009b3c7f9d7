"""What a proposal found: the masks worth keeping, their file, and look-ups of their areas and boxes."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
