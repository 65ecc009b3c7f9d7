"""Learned models as files: made, kept among the others, and taken from other people."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save

from napari_sam2_automask.disk.atomic import write_one
from napari_sam2_automask.errors import ModelError
from napari_sam2_automask.models.catalogue.card import hash_of_weights
from napari_sam2_automask.models.catalogue.registry import own_path
from napari_sam2_automask.models.loading import load_model, model_in

if TYPE_CHECKING:
    import os

    from torch import Tensor

    from napari_sam2_automask.models.catalogue.card import Card
    from napari_sam2_automask.models.networks.model import Model

__all__ = ["add_model", "learned_model", "save_model"]


def learned_model(weights: dict[str, Tensor], card: Card, device: torch.device) -> Model:
    """Return the model that a file with these weights would be.

    Parameters
    ----------
    weights : dict of str to Tensor
        In half precision, as they are stored.
    card : Card
        What it says of itself; its hash of the weights is put right.
    device : torch.device
        Where it is to run.
    """
    card = card.model_copy(update={"weights_sha256": hash_of_weights(weights)})
    return model_in(io.BytesIO(_content(weights, card)), card.name, device)


def save_model(model: Model, path: str | os.PathLike[str]) -> Path:
    """Write a learned model to a safetensors file; one that exists is replaced.

    Parameters
    ----------
    model : Model
        From `learn`, or loaded from such a file.
    path : path
        The file. What it is called is the model's name if it lies among a person's models.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ModelError
        If the model was not learned.
    OutputError
        If the file cannot be written; what was there before is there still.
    """
    if model.card is None:
        raise ModelError(f"{model.name} was not learned: only models from `learn` can be saved")
    path = Path(path)
    weights = {name: value.cpu().to(torch.float16) for name, value in model.network.state_dict().items()}
    write_one(path.absolute(), _content(weights, model.card), parents=True)
    return path


def add_model(path: str | os.PathLike[str], name: str | None = None) -> Path:
    """Check a learned model's file and put a copy among the models of this computer.

    Parameters
    ----------
    path : path
        The file, from whomever.
    name : str, optional
        What it is to be called here; as the file when left out.

    Raises
    ------
    ModelError
        If the file is no learned model, is not what it says, or the name is taken.
    OutputError
        If the copy cannot be written.
    """
    path = Path(path).expanduser()
    model = load_model(path, device="cpu")
    if model.card is None:
        raise ModelError(
            f"{path} is no learned model: give such a checkpoint's path wherever a model is asked for"
        )
    target = own_path(path.stem if name is None else name)
    if target.exists():
        raise ModelError(f"There is a model {target.stem!r} already: choose another name with --name")
    return save_model(model, target)


def _content(weights: dict[str, Tensor], card: Card) -> bytes:
    return save({name: value.contiguous() for name, value in weights.items()}, card.to_metadata())
