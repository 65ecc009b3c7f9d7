"""Results put right by hand: actions on objects, one history, and ground that stays free."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
