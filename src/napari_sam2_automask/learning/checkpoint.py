"""The state of learning on the disk, so that a killed run can be gone on with. No pickle."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from napari_sam2_automask.disk.atomic import write_one
from napari_sam2_automask.errors import UnfinishedError
from napari_sam2_automask.learning.course import Standing

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from napari_sam2_automask.learning.course import Course

__all__ = ["load_checkpoint", "save_checkpoint", "unfinished_path"]

_KEY = "sam2-automask-learning"
_MOST = 1 << 20


class _Stand(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    key: str
    step: int = Field(ge=0)
    steps: int = Field(ge=1)
    score: float
    best: float
    best_step: int = Field(ge=0)
    history: list[tuple[int, float]]


def unfinished_path(model: Path) -> Path:
    """Return where the state of a run is kept that is to write the file of a model."""
    return model.with_name(f"{model.name}.unfinished")


def save_checkpoint(path: Path, trainer: Course, key: str) -> None:
    """Write all that is needed to go on.

    Parameters
    ----------
    path : Path
        The file; an older one is replaced at once.
    trainer : Course
        Where it stands.
    key : str
        What tells this run from others.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    standing = trainer.standing
    tensors = {f"weights.{name}": value for name, value in trainer.network.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in trainer.best.items()}
    tensors |= _states(trainer)
    stand = {name: getattr(standing, name) for name in Standing.__slots__}
    content = save(
        {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()},
        {_KEY: json.dumps({"key": key, **stand})},
    )
    write_one(path, content, parents=True)


def load_checkpoint(path: Path, trainer: Course, key: str) -> bool:
    """Bring a trainer to where a run stood.

    Returns
    -------
    bool
        False if there is no checkpoint of this run; then nothing has changed.

    Raises
    ------
    UnfinishedError
        If the file is damaged.
    """
    if not path.is_file():
        return False
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(_KEY, "")
            stand = _Stand.model_validate(_read(text))
            if stand.key != key:
                return False
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        trainer.network.load_state_dict(_under(tensors, "weights."))
        trainer.best = {name: value.to(trainer.device) for name, value in _under(tensors, "best.").items()}
        _restore(trainer, tensors)
    except (SafetensorError, ValidationError, ValueError, LookupError, RuntimeError, OSError) as error:
        reason = next(iter(str(error).splitlines()), "")[:160]
        raise UnfinishedError(
            f"what was kept of a run, {path}, is damaged ({reason}): remove it, and learning starts anew"
        ) from error
    found = stand.model_dump()
    found.pop("key")
    trainer.standing = Standing(**{**found, "history": [(step, score) for step, score in stand.history]})
    return True


def _read(text: str) -> Any:
    if not text or len(text) > _MOST:
        raise ValueError("it is no state of learning")
    read = json.loads(text)
    if isinstance(read, dict) and isinstance(read.get("history"), list):
        read["history"] = [tuple(pair) for pair in read["history"]]
    return read


def _under(tensors: dict[str, Tensor], beginning: str) -> dict[str, Tensor]:
    return {name[len(beginning) :]: value for name, value in tensors.items() if name.startswith(beginning)}


def _states(trainer: Course) -> dict[str, Tensor]:
    """Return what the optimisers remember of each weight."""
    found = {}
    for i, optimiser in enumerate(trainer.optimisers):
        for j, parameter in enumerate(p for group in optimiser.param_groups for p in group["params"]):
            for name, value in optimiser.state[parameter].items():
                found[f"state.{i}.{j}.{name}"] = value
    return found


def _restore(trainer: Course, tensors: dict[str, Tensor]) -> None:
    for i, optimiser in enumerate(trainer.optimisers):
        for j, parameter in enumerate(p for group in optimiser.param_groups for p in group["params"]):
            own = _under(tensors, f"state.{i}.{j}.")
            for name, value in own.items():
                # Adam counts its steps on the CPU.
                value = value if name == "step" else value.to(trainer.device).view(parameter.shape)
                if name != "step" and parameter.ndim == 4:
                    value = value.contiguous(memory_format=_format_of(parameter))
                optimiser.state[parameter][name] = value


def _format_of(parameter: Tensor) -> Any:
    import torch

    channels_last = parameter.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if channels_last else torch.contiguous_format
