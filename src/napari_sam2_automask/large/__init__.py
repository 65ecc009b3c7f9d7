"""Images beyond memory: overlapping tiles, one seam rule, results that outlive the process.

`segment_large` does it all; the modules below are its steps.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
