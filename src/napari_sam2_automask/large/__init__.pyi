from . import background as background
from .output.omezarr import Pyramid as Pyramid, open_levels as open_levels
from .run import LargeResult as LargeResult, segment_large as segment_large
from .source.sampling import contrast_of as contrast_of
from .source.source import ArraySource as ArraySource, FileSource as FileSource
from .spec import LargeSpec as LargeSpec
from .tile_segmenter import ModelSegmenter as ModelSegmenter
