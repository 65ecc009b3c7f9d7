from .labels import Segmentation as Segmentation, label_dtype as label_dtype, paint as paint
from .levels import Levels as Levels, paint_levels as paint_levels
from .live import Change as Change, LiveSelection as LiveSelection
