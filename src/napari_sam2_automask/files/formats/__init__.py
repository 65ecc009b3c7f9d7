"""Results in the formats of other programs: ImageJ, QuPath, COCO with polygons, YOLO, Cellpose."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
