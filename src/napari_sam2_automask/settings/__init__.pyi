from .amg import (
    ALL_LEVELS as ALL_LEVELS,
    AmgSettings as AmgSettings,
    Nested as Nested,
    Overlap as Overlap,
    Renderings as Renderings,
)
from .fields import FieldInfo as FieldInfo, PointGrids as PointGrids
from .meta_parameters import MetaSettings as MetaSettings, OutputMode as OutputMode
from .physical import (
    AUTO as AUTO,
    AnySettings as AnySettings,
    Unmeasured as Unmeasured,
    in_pixels as in_pixels,
    measured as measured,
)
from .preset_file import load_preset as load_preset, save_preset as save_preset
from .presets import PRESETS as PRESETS, Preset as Preset, resolve_settings as resolve_settings
from .units import UNITS as UNITS, Pixel as Pixel, Quantity as Quantity
