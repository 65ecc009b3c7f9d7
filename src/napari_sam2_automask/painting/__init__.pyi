from .labels import label_dtype as label_dtype, paint as paint, painting_order as painting_order
from .levels import Levels as Levels, paint_levels as paint_levels
from .live import Change as Change, LiveSelection as LiveSelection
from .segmentation import Segmentation as Segmentation
from .table import Facts as Facts, object_table as object_table
