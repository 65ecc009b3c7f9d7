from .holes_and_islands import mend as mend
from .nms import non_maximum_suppression as non_maximum_suppression
from .overlaps import shared_pixels as shared_pixels
from .placed import Placed as Placed, places_of as places_of, tight as tight
