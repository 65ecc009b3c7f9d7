from .sampling import contrast_of as contrast_of, diameter_of as diameter_of
from .source import ArraySource as ArraySource, FileSource as FileSource, Source as Source
