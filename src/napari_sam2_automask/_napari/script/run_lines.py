"""The lines of Python, or of a shell, that repeat a run."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask._napari.script.array_lines import channel_lines, first_plane, stack_contrast
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.settings.amg import AmgSettings
from napari_sam2_automask.settings.presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam2_automask._napari.run.request import Request
    from napari_sam2_automask.settings.presets import HasPresets

__all__ = ["as_command", "as_python"]


def as_python(request: Request, mends: Mapping[str, Any] | None = None) -> str:
    """Return Python that repeats the run on its first plane; for a script, or napari's console.

    Parameters
    ----------
    request : Request
        The run.
    mends : mapping, optional
        The entry ``mends`` of its record: what a person did is done again, and `mends.labels` are the labels.
    """
    source, channels = request.source, request.source.channels
    names = ["load_model", "segment"] if mends is None else ["Mends", "load_model", "propose"]
    model = repr(request.model) + (f", device={request.device!r}" if request.device != "auto" else "")
    if request.custom:
        names.insert(0, "AmgSettings")
        changed = _changes(request.asked, AmgSettings())
        settings = f"AmgSettings({', '.join(f'{name}={value!r}' for name, value in changed.items())})"
    else:
        settings = repr(request.preset)
    arguments = [settings, f"load_model({model})"]
    lines = [f"from napari_sam2_automask import {', '.join(names)}\n"]
    made: list[str] = []
    if channels is not None:
        more, made, arrays = channel_lines(request)
        lines += more
        arguments = [arrays[0], *arguments, "rgb=True", *arrays[1:]]
    else:
        arguments = [first_plane(request, source.path, source.layer_name), *arguments, f"rgb={source.rgb}"]
        if request.asks_for_stack:
            more, limits = stack_contrast(request)
            made += more
            lines += [
                "import numpy as np\n\n",
                "from napari_sam2_automask.image import contrast_of_planes\n",
            ]
            arguments.append(f"contrast_limits={limits}")
        if not source.rgb and request.contrast_limits:
            arguments.append(f"contrast_limits={request.contrast_limits}")
    if any("imread(" in text for text in (*made, arguments[0])):
        lines.append("from skimage.io import imread\n")
    if any("open_file(web_address(" in text for text in (*made, arguments[0])):
        lines.append("from napari_sam2_automask.files import open_file, web_address\n")
    elif any("open_file(" in text for text in (*made, arguments[0])):
        lines.append("from pathlib import Path\n\nfrom napari_sam2_automask.files import open_file\n")
    arguments.append(f"floor={(request.floor.pred_iou, request.floor.stability)}")
    call = f"({', '.join(arguments)})\n"
    if mends is None:
        return "".join([*lines, *made, f"result = segment{call}"])
    again = {name: value for name, value in mends.items() if name != "settings"}
    return "".join(
        [
            *lines,
            *made,
            f"candidates = propose{call}",
            "mends = Mends(candidates)\n",
            f"mends.replay(**{again!r})\n",
        ]
    )


def as_command(request: Request, family: str | HasPresets) -> str:
    """Return the command line that repeats the run on the image's file.

    Parameters
    ----------
    request : Request
        What Run would do now.
    family : str or HasPresets
        The model's family, or what is known of a learned one: presets differ between them.
    """
    source = request.source
    if request.region is not None:
        raise ImageError("a part of an image cannot be told to the command line: copy as Python, or crop it")
    channels = source.channels
    if channels is not None and channels.axis is None:
        raise ImageError(
            "channels that are layers of their own cannot be told to the command line: copy as Python, or "
            "save them as one file with an axis of channels"
        )
    words = ["sam2-automask", "segment", source.path or f"{source.layer_name}.tif", "--out", "results"]
    words += ["--preset", request.preset, "--model", request.model, "--device", request.device]
    words += ["--level", str(source.level)] if source.level else []
    if channels is not None:
        words += ["--channel", channels.how, "--axes", channels.letters]
    if source.projected:
        words += ["--project", source.projected.kind]
        words += ["--axes", source.projected.letters] if channels is None else []
        words += ["--over", source.projected.letter] if source.projected.letter != "Z" else []
    if source.other_axes and len(request.indices) > 1:
        words += ["--planes", _range(request)]
        words += ["--link", "time" if request.link == "t" else "z"] if request.link else []
    elif source.other_axes:
        words += ["--plane", str(_number(request, 0))]
    if request.asks_for_stack:
        words += ["--contrast", "stack"]
    elif not source.rgb and request.contrast_limits:
        words += ["--contrast-limits", *(repr(limit) for limit in request.contrast_limits)]
    words += ["--floor", repr(request.floor.pred_iou), repr(request.floor.stability)]
    for name, value in _changes(request.asked, PRESETS[request.preset].for_model(family)).items():
        if value is not None:  # point grids say by themselves that there are no points per side
            words += _option(name, value)
    return shlex.join(words)


def _number(request: Request, which: int) -> int:
    """Return the number of one of the planes, counted over all axes of planes, the last one fastest."""
    source = request.source
    counts = [source.shape[axis] for axis in source.other_axes]
    return int(np.ravel_multi_index(request.indices[which], counts))


def _range(request: Request) -> str:
    if len(request.indices) == request.source.plane_count:
        return "all"
    return f"{_number(request, 0)}:{_number(request, -1) + 1}"


def _changes(settings: AmgSettings, base: AmgSettings) -> dict[str, Any]:
    """Return the values that differ from those of `base`, by name."""
    names = (info.name for info in AmgSettings.fields())
    return {name: getattr(settings, name) for name in names if getattr(settings, name) != getattr(base, name)}


def _option(name: str, value: Any) -> list[str]:
    option = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{option}" if value else f"--no-{option}"]
    return [f"--{option}", json.dumps(value) if isinstance(value, tuple) else str(value)]
