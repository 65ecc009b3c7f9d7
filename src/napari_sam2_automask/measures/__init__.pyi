from .measuring import measure as measure
