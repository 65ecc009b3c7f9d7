"""Reading weights from a file that may be damaged or hostile. Nothing in a file is ever run."""

from __future__ import annotations

import pickle
import re
import struct
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from napari_sam2_automask.errors import ModelError

if TYPE_CHECKING:
    from io import BytesIO

__all__ = ["read_weights"]

_SAFE_TORCH = (2, 10)
_MAX_SAFETENSORS_HEADER = 100_000_000
_GET_AGAIN = "Get the file again."
#: Of a zip file, which torch.save writes, and of a pickle, which it wrote before 2020.
_TORCH_BEGINNINGS = (b"PK\x03\x04", b"\x80")
_METAS_FORM = "Choose a checkpoint in Meta's form: {'model': weights}."
#: What torch.load raises on files that are cut off or have changed bytes, besides UnpicklingError.
_DAMAGE = (RuntimeError, EOFError, OSError, ValueError, LookupError, AttributeError, TypeError)


def read_weights(content: BytesIO) -> dict[str, Tensor]:
    """Read the weights of a checkpoint.

    The format is told from the contents, not from the name: safetensors, or what ``torch.save`` writes, with
    the weights at the top or, as in Meta's files, under ``"model"``.

    Parameters
    ----------
    content : BytesIO
        All bytes of the file.

    Returns
    -------
    dict of str to Tensor
        Name and value of every weight, on the CPU, in the file's own precision.

    Raises
    ------
    ModelError
        If the file is damaged, is something else, or holds Python code. The message is the second half of a
        sentence whose first half names the file.
    """
    beginning = content.getvalue()[:64]
    if _is_safetensors(beginning):
        return _read_safetensors(content)
    _refuse_what_is_no_checkpoint(beginning)
    return _weights_in(_read_torch(content))


def _is_safetensors(beginning: bytes) -> bool:
    if len(beginning) < 10 or beginning[8:9] != b"{":
        return False
    (header,) = struct.unpack("<Q", beginning[:8])
    return bool(header <= _MAX_SAFETENSORS_HEADER)


def _refuse_what_is_no_checkpoint(beginning: bytes) -> None:
    text = beginning.lstrip().lower()
    if not beginning:
        raise ModelError(f"it is empty. {_GET_AGAIN}")
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise ModelError(f"it is a web page, not a model: a download must have failed. {_GET_AGAIN}")
    if text.startswith(b"version https://git-lfs"):
        raise ModelError("it is a Git LFS pointer, not the model itself. Get the file that it points to.")
    if not beginning.startswith(_TORCH_BEGINNINGS):
        raise ModelError("it is not a checkpoint. Choose a .pt or .safetensors file with a model's weights.")


def _read_safetensors(content: BytesIO) -> dict[str, Tensor]:
    try:
        return load(content.getvalue())
    except (SafetensorError, ValueError) as error:
        raise _damaged(error) from error


def _read_torch(content: BytesIO) -> object:
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if version < _SAFE_TORCH:
        raise ModelError(
            f"reading it safely takes PyTorch 2.10 or newer, and this is {torch.__version__}. "
            "Update PyTorch, or convert the file to safetensors."
        )
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Detected pickle protocol")  # it is refused anyway
            # weights_only is said outright, because an environment variable can turn off the default.
            return torch.load(content, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _refused(error) from error
    except _DAMAGE as error:
        raise _damaged(error) from error


def _refused(error: pickle.UnpicklingError) -> ModelError:
    """Tell a file that wants to run code from one that is no checkpoint at all."""
    text = str(error)
    wanted = re.search(r"(?:Unsupported global: GLOBAL|Trying to load unsupported GLOBAL) (\S+)", text)
    if wanted:
        return ModelError(
            f"it holds more than weights: it asks for {wanted[1]!r}, which could run any code. "
            "It was refused and nothing in it was run. Ask its author for the bare weights (safetensors)."
        )
    reason = text.partition("WeightsUnpickler error:")[2].strip().partition("\n")[0] or "not readable safely"
    return ModelError(
        f"it is damaged or holds more than weights ({reason}); nothing in it was run. "
        "Get the file again, or ask its author for the bare weights (safetensors)."
    )


def _weights_in(loaded: object) -> dict[str, Tensor]:
    inner: Any = loaded
    if isinstance(inner, Mapping) and isinstance(inner.get("model"), Mapping):
        inner = inner["model"]
    if not isinstance(inner, Mapping) or not all(isinstance(name, str) for name in inner):
        raise ModelError(f"it holds no named weights. {_METAS_FORM}")
    weights = {name: value for name, value in inner.items() if isinstance(value, Tensor)}
    if len(weights) < len(inner):
        odd = next(name for name in inner if name not in weights)
        raise ModelError(f"{odd!r} in it is not a weight. {_METAS_FORM}")
    return weights


def _damaged(error: Exception) -> ModelError:
    lines = str(error).strip().splitlines()
    reason = lines[0].rstrip(".")[:200] if lines else type(error).__name__
    return ModelError(f"it is damaged, cut off or no checkpoint ({reason}). {_GET_AGAIN}")
