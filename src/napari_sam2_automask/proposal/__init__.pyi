from .gaps import in_gaps as in_gaps
from .passes import propose_view as propose_view
from .thinning import merge_near_duplicates as merge_near_duplicates, within_memory as within_memory
