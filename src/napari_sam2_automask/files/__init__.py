"""Files in and out: images and their planes, sizes of pixels, results, COCO."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
