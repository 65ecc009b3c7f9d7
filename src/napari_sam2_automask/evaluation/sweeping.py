"""One parameter at several values: what it does to this image, as a picture and as label layers."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.progress import no_progress
from napari_sam2_automask.settings.amg import AmgSettings, refuse_unknown
from napari_sam2_automask.settings.presets import PRESETS, Preset, resolve_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from PIL import Image

    from napari_sam2_automask.candidates.candidates import Candidates
    from napari_sam2_automask.models import Model
    from napari_sam2_automask.progress import ProgressCallback

__all__ = ["Step", "contact_sheet", "settings_of_sweep", "sweep"]

_MARGIN = 10
_LINE = 26


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """The result at one value.

    Attributes
    ----------
    settings : AmgSettings
        The settings, equal but for the parameter.
    caption : str
        Parameter, value, number of objects.
    labels : (Y, X) uint16 or uint32 array
        The labels.
    objects : int
        Objects visible in them.
    seconds : float
        Time for this step; little where the candidates of the step before could answer.
    asked : bool
        Whether the model was asked again.
    passes, prompts : int
        Encoder passes and point prompts of the run that found its candidates.
    """

    settings: AmgSettings
    caption: str
    labels: NDArray[np.unsignedinteger]
    objects: int
    seconds: float
    asked: bool
    passes: int
    prompts: int


def settings_of_sweep(base: AmgSettings, parameter: str, values: Sequence[Any]) -> list[AmgSettings]:
    """Return settings for each value of a parameter; texts are read in the parameter's own type.

    Raises
    ------
    SettingsError
        If the parameter does not exist, there is no value, or a value is not allowed.
    """
    refuse_unknown({parameter: None})
    if not len(values):
        raise SettingsError(f"no value of {parameter} to try: give at least one")
    info = next(info for info in AmgSettings.fields() if info.name == parameter)
    return [base.adjusted(**{parameter: _read(info.kind, value)}) for value in values]


def sweep(
    image: NDArray[Any],
    parameter: str,
    values: Sequence[Any],
    settings: AmgSettings | Preset | str = PRESETS["balanced"],
    model: Model | None = None,
    *,
    rgb: bool | None = None,
    contrast_limits: tuple[float, float] | None = None,
    progress: ProgressCallback = no_progress,
    done: Callable[[], None] = lambda: None,
) -> list[Step]:
    """Segment an image at several values of one parameter.

    Parameters
    ----------
    image : ndarray
        Shape (Y, X), or (Y, X, 3) or (Y, X, 4) for RGB(A), as for `segment`.
    parameter : str
        The parameter's name.
    values : sequence
        Its values; texts are read as numbers or choices.
    settings : AmgSettings, Preset or str
        Everything else.
    model : Model, optional
        From `load_model`; the bundled model when left out.
    rgb, contrast_limits, progress
        As for `segment`.
    done : callable
        Called after each value.

    Returns
    -------
    list of Step
        One for each value. The model is asked again only where the candidates cannot answer.

    Raises
    ------
    AutomaskError
        If the image, the parameter or a value cannot be used.
    """
    from napari_sam2_automask.image.view import to_model_view
    from napari_sam2_automask.models import load_model

    model = load_model("bundled") if model is None else model
    base, _ = resolve_settings(settings, model)
    wanted = settings_of_sweep(base, parameter, values)
    view = to_model_view(image, rgb=rgb, contrast_limits=contrast_limits)
    steps: list[Step] = []
    candidates: Candidates | None = None
    for one in wanted:
        start = time.perf_counter()
        asked = candidates is None or not _answers(candidates, one)
        if asked:
            candidates = _propose(view, one, wanted, model, progress)
        assert candidates is not None
        steps.append(_step(candidates, one, parameter, start, asked))
        done()
    return steps


def contact_sheet(
    view: NDArray[np.uint8], steps: Sequence[Step], *, title: str = "", width: int = 420
) -> Image.Image:
    """Draw the results side by side over the image.

    Parameters
    ----------
    view : (Y, X, 3) uint8 array
        The image as the model sees it, see `to_model_view`.
    steps : sequence of Step
        From :func:`sweep`.
    title : str
        A line above all.
    width : int
        Of one panel, in pixels.

    Returns
    -------
    PIL.Image.Image
        As square as whole panels allow.
    """
    from PIL import Image, ImageDraw, ImageFont

    columns = math.ceil(math.sqrt(len(steps)))
    rows = math.ceil(len(steps) / columns)
    height = round(width * view.shape[0] / view.shape[1])
    top = _LINE + _MARGIN if title else 0
    size = (
        columns * (width + _MARGIN) + _MARGIN,
        top + rows * (height + _LINE + _MARGIN) + _MARGIN,
    )
    page = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(size=16)
    pen.text((_MARGIN, _MARGIN), title, fill="black", font=font)
    for k, step in enumerate(steps):
        x = _MARGIN + (k % columns) * (width + _MARGIN)
        y = _MARGIN + top + (k // columns) * (height + _LINE + _MARGIN)
        pen.text((x, y), step.caption, fill="black", font=font)
        panel = Image.fromarray(_coloured(view, step.labels))
        page.paste(panel.resize((width, height), Image.Resampling.LANCZOS), (x, y + _LINE))
    return page


def _read(kind: type, value: Any) -> Any:
    """Read a text from a command line in a parameter's type; what cannot be read is refused by its check."""
    if not isinstance(value, str) or kind is str:
        return value
    if kind is bool:
        return {"true": True, "false": False}.get(value.lower(), value)
    try:
        return kind(value)
    except (ValueError, OverflowError):
        return value


def _answers(candidates: Candidates, settings: AmgSettings) -> bool:
    from napari_sam2_automask.selection.choosing import needs_run

    return needs_run(candidates, settings) is None


def _propose(
    view: NDArray[np.uint8],
    settings: AmgSettings,
    wanted: list[AmgSettings],
    model: Model,
    progress: ProgressCallback,
) -> Candidates:
    """Propose with a floor that suits all settings wanted."""
    from napari_sam2_automask.candidates.candidates import Floor
    from napari_sam2_automask.proposal.passes import propose_view

    floor = Floor.of(settings)
    for one in wanted:
        floor = floor.below(one)
    return propose_view(view, settings, model, progress=progress, floor=floor)


def _step(candidates: Candidates, settings: AmgSettings, parameter: str, start: float, asked: bool) -> Step:
    from napari_sam2_automask.painting.live import LiveSelection

    live = LiveSelection(candidates)
    live.update(settings)
    labels = live.labels
    objects = int(np.count_nonzero(np.bincount(labels.ravel())[1:]))
    value = getattr(settings, parameter)
    shown = f"{value:.4g}" if isinstance(value, float) else str(value)
    caption = f"{parameter} = {shown}: {objects} objects"
    passes, prompts = len(candidates.crop_boxes), candidates.prompts[0]
    return Step(settings, caption, labels, objects, time.perf_counter() - start, asked, passes, prompts)


def _coloured(view: NDArray[np.uint8], labels: NDArray[np.unsignedinteger]) -> NDArray[np.uint8]:
    """Tint each object and draw its outline, in colours that stay with the label."""
    hue = (np.arange(int(labels.max(initial=0)) + 1) * 0.618034) % 1.0
    # A wheel of saturated colours: red, green and blue a third of a turn apart.
    turns = np.abs((hue[:, None] + np.array([0, 1 / 3, 2 / 3])) % 1.0 * 6 - 3) - 1
    colours = (255 * np.clip(turns, 0, 1)).astype(np.float32)
    mine = colours[labels]
    inside = labels > 0
    edge = np.zeros(labels.shape, bool)
    edge[:-1] |= labels[:-1] != labels[1:]
    edge[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    part = np.where(edge & inside, 1.0, np.where(inside, 0.35, 0.0)).astype(np.float32)[..., None]
    tinted: NDArray[np.uint8] = (view * (1 - part) + mine * part).astype(np.uint8)
    return tinted
