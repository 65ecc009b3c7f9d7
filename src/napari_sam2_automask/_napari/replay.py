"""The line of Python, or of a shell, that repeats a run."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from napari_sam2_automask.settings import AmgSettings

if TYPE_CHECKING:
    from napari_sam2_automask._napari.job import Request

__all__ = ["as_command", "as_python"]


def as_python(request: Request) -> str:
    """Return Python that repeats the run of one plane; valid in a script and in napari's console."""
    source = request.source
    if source.path:
        imports, image = "from skimage.io import imread\n", f"imread({source.path!r})"
    else:
        imports, image = "", f"viewer.layers[{source.name!r}].data"
    if source.other_axes:
        cut = ", ".join(
            ":" if isinstance(part, slice) else str(part) for part in source.slices(request.indices[0])
        )
        image += f"[{cut}]"
    arguments = [image, _settings_text(request), f"load_model({_model_text(request)})"]
    if source.rgb:
        arguments.append("rgb=True")
    elif request.contrast_limits:
        arguments.append(f"contrast_limits={request.contrast_limits}")
    names = "AmgSettings, load_model, segment" if request.custom else "PRESETS, load_model, segment"
    return f"from napari_sam2_automask import {names}\n{imports}result = segment({', '.join(arguments)})"


def as_command(request: Request) -> str:
    """Return the command line that repeats the run on the image's file."""
    source = request.source
    words = ["sam2-automask", "segment", source.path or f"{source.name}.tif", "--out", "results"]
    if request.custom:
        for name, value in _changed(request.settings, AmgSettings()).items():
            words += _option(name, value)
    else:
        words += ["--preset", request.preset]
    words += ["--model", request.model, "--device", request.device]
    return shlex.join(words)


def _changed(settings: AmgSettings, base: AmgSettings) -> dict[str, Any]:
    """Return the values that differ from those of `base`, by name."""
    pairs = (
        (info.name, getattr(settings, info.name), getattr(base, info.name)) for info in AmgSettings.fields()
    )
    return {name: value for name, value, other in pairs if value != other}


def _settings_text(request: Request) -> str:
    if not request.custom:
        return f"PRESETS[{request.preset!r}]"
    changed = _changed(request.settings, AmgSettings())
    return f"AmgSettings({', '.join(f'{name}={value!r}' for name, value in changed.items())})"


def _model_text(request: Request) -> str:
    return repr(request.model) + (f", device={request.device!r}" if request.device != "auto" else "")


def _option(name: str, value: Any) -> list[str]:
    option = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{option}" if value else f"--no-{option}"]
    return [f"--{option}", str(value)]
