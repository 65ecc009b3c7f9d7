"""Are the settings good? Scores against ground truth, tuning by examples, sweeps, the demo."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
