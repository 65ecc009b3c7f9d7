from .omezarr import Pyramid as Pyramid, open_levels as open_levels
from .publish import LargeResult as LargeResult
from .run_folder import RunStore as RunStore
