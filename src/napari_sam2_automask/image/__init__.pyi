from .axes import check_axes as check_axes, cut as cut, guess_axes as guess_axes
from .channels import (
    BLENDINGS as BLENDINGS,
    Look as Look,
    compose as compose,
    default_colours as default_colours,
    measure_channels as measure_channels,
    mix as mix,
)
from .pick import POSITIONS as POSITIONS, Channel as Channel, Pick as Pick
from .projection import project_planes as project_planes
from .region import Region as Region
from .renderings import render as render
from .view import (
    contrast_of_planes as contrast_of_planes,
    contrast_range as contrast_range,
    image_hash as image_hash,
    is_rgb as is_rgb,
    to_model_view as to_model_view,
)
