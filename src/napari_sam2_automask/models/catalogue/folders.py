"""Where the files of models lie, and the environment variables that say so."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_dir

from napari_sam2_automask.errors import ModelError
from napari_sam2_automask.settings.numbers import shown

__all__ = ["HOME_VARIABLE", "OFFLINE_VARIABLE", "home_folder", "hub_cache", "model_folder", "own_folder"]

HOME_VARIABLE = "SAM2_AUTOMASK_HOME"
"""Environment variable that moves the folder where downloaded models and notes about them lie."""
OFFLINE_VARIABLE = "SAM2_AUTOMASK_OFFLINE"
"""Environment variable that forbids downloads."""


def home_folder() -> Path:
    """Return the folder of everything that this project stores: `SAM2_AUTOMASK_HOME`, else a cache folder."""
    own = user_cache_dir("napari-sam2-automask", appauthor=False)
    return _folder_in(HOME_VARIABLE, own).absolute()


def model_folder() -> Path:
    """Return the folder where downloaded models lie, and where a file can be put by hand."""
    return home_folder() / "models"


def own_folder() -> Path:
    """Return the folder where models lie that were learned, or brought by a person."""
    return model_folder() / "own"


def hub_cache() -> Path:
    """Return the folder where the Hugging Face hub keeps its files."""
    if os.environ.get("HF_HUB_CACHE"):
        return _folder_in("HF_HUB_CACHE")
    if os.environ.get("HF_HOME"):
        return _folder_in("HF_HOME") / "hub"
    return _folder_in("XDG_CACHE_HOME", "~/.cache") / "huggingface" / "hub"


def _folder_in(variable: str, otherwise: str = "") -> Path:
    """Return the folder that an environment variable names, or another where it names none.

    Raises
    ------
    ModelError
        If it begins with the home of a user who does not exist.
    """
    try:
        return Path(os.environ.get(variable) or otherwise).expanduser()
    except RuntimeError as error:
        raise ModelError(
            f"The environment variable {variable} is {shown(os.environ.get(variable))}, and there is no such "
            "home folder. Give a whole path."
        ) from error
