"""A page for the lab book: the results of a folder in one HTML file that opens anywhere."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
