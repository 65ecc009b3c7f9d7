from .cells import expand as expand
from .measuring import measure as measure
from .regions import count_in_regions as count_in_regions
