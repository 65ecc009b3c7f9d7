"""The settings of a run: every parameter of automatic mask generation, presets, physical units.

Plain Python: nothing here imports NumPy or anything larger.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
