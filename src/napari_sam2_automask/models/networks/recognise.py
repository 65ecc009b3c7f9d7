"""Telling from the names and shapes of its weights which model a checkpoint is of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

from napari_sam2_automask.errors import ModelError
from napari_sam2_automask.models.networks.configs import CONFIGS, ModelConfig, Version

__all__ = ["BUNDLED_CONFIG", "Shapes", "check_shapes", "recognise"]

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]

BUNDLED_CONFIG = "bundled"
"""Name of the configuration of the bundled model and of others trained in its way."""

_PATCHES = "image_encoder.trunk.patch_embed.proj.weight"
_BLOCK = re.compile(r"image_encoder\.trunk\.blocks\.(\d+)\.")
#: Weights that only SAM 2.1 has. 2.0 has neither, and nothing has one of the two.
_ONLY_IN_2_1 = ("no_obj_embed_spatial", "obj_ptr_tpos_proj.weight")
_FORM = (
    "Choose a SAM 2.0 or 2.1 checkpoint of Meta's (tiny, small, base+ or large), or one fine-tuned from it."
)
#: The beginnings of names in other models' files, and what to call those.
_OTHERS = {
    "image_encoder.layers.": "MobileSAM",
    "image_encoder.patch_embed.": "a SAM 1 model (or one in its form, such as micro-sam's or MedSAM's)",
    "vision_encoder.": "a model in the form of the transformers library",
    "detector.": "SAM 3",
    "tracker.": "SAM 3",
    "image_encoder.trunk.body.": "EdgeTAM",
}


def recognise(shapes: Shapes) -> ModelConfig | None:
    """Find the configuration of a checkpoint.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        Name and shape of every weight.

    Returns
    -------
    ModelConfig or None
        None for a model in the form of the bundled one.

    Raises
    ------
    ModelError
        If it is another architecture; the message says which, where that is known.
    """
    if any(name.startswith("image_encoder.trunk.stem.") for name in shapes):
        return None
    patches = shapes.get(_PATCHES)
    if patches is None:
        raise ModelError(f"it holds {_other(shapes)}. {_FORM}")
    width = patches[0]
    blocks = 1 + max((int(match[1]) for name in shapes if (match := _BLOCK.match(name))), default=-1)
    for config in CONFIGS.values():
        if (config.version, config.embed_dim, sum(config.stages)) == (_version(shapes), width, blocks):
            return config
    raise ModelError(f"its trunk, {blocks} blocks from {width} channels, is that of no SAM 2 model. {_FORM}")


def _version(shapes: Shapes) -> Version:
    there = [name for name in _ONLY_IN_2_1 if name in shapes]
    if len(there) == 1:
        raise ModelError(
            f"it is neither SAM 2.0 nor 2.1: it has {there[0]!r} and not what goes with it. {_FORM}"
        )
    return "2.1" if there else "2.0"


def _other(shapes: Shapes) -> str:
    for beginning, what in _OTHERS.items():
        if any(name.startswith(beginning) for name in shapes):
            return what
    if not shapes:
        return "no weights"
    return f"another model, whose first weight is {next(iter(shapes))!r}"


def check_shapes(found: Shapes, expected: Shapes, model: str) -> None:
    """Compare a checkpoint's weights with those that its model has.

    Parameters
    ----------
    found, expected : mapping of str to tuple of int
        Name and shape of every weight, in the file and in the model.
    model : str
        What to call the model.

    Raises
    ------
    ModelError
        If they differ; the message counts the differences and names the first.
    """
    missing = [name for name in expected if name not in found]
    extra = [name for name in found if name not in expected]
    other = [name for name in expected if name in found and found[name] != expected[name]]
    problems = []
    if missing:
        problems.append(f"{len(missing)} weights are missing, such as {missing[0]!r}")
    if extra:
        problems.append(f"{len(extra)} are too many, such as {extra[0]!r}")
    if other:
        name = other[0]
        problems.append(
            f"{len(other)} have another shape, such as {name!r}: {found[name]} instead of {expected[name]}"
        )
    if problems:
        raise ModelError(f"it looks like {model}, but {'; '.join(problems)}. {_FORM}")
