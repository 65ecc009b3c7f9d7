"""The models: which there are, getting them, checking them, loading them.

Listing the models loads neither torch nor sam2.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
