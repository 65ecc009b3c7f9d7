"""Learn from these: a model fitted to a person's own images and labels."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import LearningError
from napari_sam2_automask.learning.course import Plan
from napari_sam2_automask.learning.learner import Learner
from napari_sam2_automask.learning.lessons import Lesson, lessons_of
from napari_sam2_automask.models.loading import load_model
from napari_sam2_automask.models.networks.model import Model
from napari_sam2_automask.progress import ProgressCallback, no_progress
from napari_sam2_automask.settings.numbers import Bound

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike


__all__ = ["learn"]

MINUTES = Bound(float, 0.05, 24 * 60.0, "minutes")
STEPS = Bound(int, 1, 100_000, "steps")
SEED = Bound(int, 0, 2**31 - 1)


def learn(
    images: Sequence[ArrayLike] | ArrayLike,
    labels: Sequence[ArrayLike] | ArrayLike,
    base: str | os.PathLike[str] | Model = "bundled",
    minutes: float = 5.0,
    *,
    steps: int | None = None,
    seed: int = 0,
    complete: Sequence[ArrayLike | bool] | ArrayLike | bool = True,
    weights: Sequence[Mapping[int, float]] | Mapping[int, float] | None = None,
    name: str = "learned",
    names: Sequence[str] | None = None,
    rgb: bool | None = None,
    device: str = "cpu",
    checkpoint: str | os.PathLike[str] | None = None,
    plan: Plan | None = None,
    progress: ProgressCallback = no_progress,
) -> Model:
    """Fit a model to images whose objects are labelled.

    A part of each image, about a fifth of its objects, is held back; what is kept is the best there.
    Samples of the package and drawn images are trained on as well, so that the model does not forget what it
    knew. At the end its presets coarse, balanced and fine are fitted, and from then on they are what those
    names mean for it.

    Parameters
    ----------
    images : ndarray, or sequence of ndarray
        One image or several: (Y, X) gray of any real dtype, or (Y, X, 3) or (Y, X, 4) colours. All gray, or
        all in colours.
    labels : ndarray of int, or sequence of them
        For each image its labels (Y, X), 0 for background; or (L, Y, X), levels that do not overlap.
    base : str, path or Model
        The bundled model, or one that was learned before: name, file or model. Of a SAM 2.1 model the mask
        decoder alone learns, on features that are computed once.
    minutes : float
        About how long it may take. A short timing tells how many steps that are.
    steps : int, optional
        How many steps, in place of `minutes`.
    seed : int
        Of chance. The same images, labels, seed, threads, steps and processor give the same weights on a CPU.
    complete : bool, mask, or sequence of them
        Where every object is labelled: everywhere, nowhere, or a mask (Y, X). Elsewhere unlabelled ground
        says nothing.
    weights : mapping of int to float, or sequence of them
        How much objects count, by label, 0 to 100; 1 for those that are not named.
    name : str
        What the model is to be called.
    names : sequence of str, optional
        What to call the images in messages.
    rgb : bool, optional
        As for `segment`.
    device : str
        As for `load_model`.
    checkpoint : path, optional
        Where to keep a state that a run with the same arguments goes on from; it is removed at the end.
    plan : Plan, optional
        How much a step does.
    progress : callable
        Takes a `LearningProgress` after every step, and `Progress` while images are segmented; raises
        `Cancelled` to stop. Then the best so far is returned, with the settings of the base, if anything was
        learned; else the exception passes.

    Returns
    -------
    Model
        With its `card`; `save_model` writes it.

    Raises
    ------
    LearningError
        If nothing can be learned from these; the message says why and what to do.
    AutomaskError
        If an image, a number or the base cannot be used, or a file cannot be written.
    Cancelled
        If `progress` raised it before anything was learned.
    """
    begun = monotonic()
    minutes = MINUTES.check(minutes, "minutes")
    steps = None if steps is None else STEPS.check(steps, "steps")
    seed = SEED.check(seed, "seed")
    lessons = _lessons(images, labels, complete, weights, names, rgb)
    model = _base(base, device, lessons)
    if checkpoint is not None:
        checkpoint = Path(checkpoint).absolute()
    learner = Learner(model, lessons, seed, plan or Plan(), minutes, steps, checkpoint, progress)
    try:
        made = learner.result(name, begun)
    except (RuntimeError, MemoryError) as error:
        if not isinstance(error, MemoryError) and "memory" not in str(error).lower():
            raise
        raise LearningError(
            "memory does not suffice for learning: close other programs, or give smaller images"
        ) from error
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    return made


def _lessons(
    images: Sequence[ArrayLike] | ArrayLike,
    labels: Sequence[ArrayLike] | ArrayLike,
    complete: Sequence[ArrayLike | bool] | ArrayLike | bool,
    weights: Sequence[Mapping[int, float]] | Mapping[int, float] | None,
    names: Sequence[str] | None,
    rgb: bool | None,
) -> list[Lesson]:
    """Make lists of what may be one or several."""
    every: list[Any] = list(images) if isinstance(images, (list, tuple)) else [images]
    one = not isinstance(images, (list, tuple))
    if not every:
        raise LearningError("there are no images to learn from: give at least one with its labels")
    answers: list[Any] = [labels] if one else list(labels)  # type: ignore[arg-type]
    if isinstance(complete, (bool, np.bool_)):
        regions: list[Any] = [bool(complete)] * len(every)
    else:
        regions = [complete] if one else list(complete)  # type: ignore[arg-type]
    if weights is None:
        counting: list[Mapping[int, float]] = [{} for _ in every]
    else:
        counting = [weights] if one else list(weights)  # type: ignore[list-item, arg-type]
    called = list(names) if names is not None else _numbered(len(every))
    return lessons_of(every, answers, regions, counting, called, rgb)


def _numbered(count: int) -> list[str]:
    return ["the image"] if count == 1 else [f"image {i}" for i in range(1, count + 1)]


def _base(base: str | os.PathLike[str] | Model, device: str, lessons: list[Lesson]) -> Model:
    if isinstance(base, Model):
        model = base
    else:
        model = load_model(base if isinstance(base, str) else Path(base), device=device)
    if model.config == "custom":
        raise LearningError(
            "learning goes on from the bundled model, a SAM 2.1 model, or one learned before, and "
            f"{model.name} is a network of another kind: give one of those as the base"
        )
    colours = "gray" if lessons[0].whole.image.ndim == 2 else "colour"
    if model.card is not None and model.card.colours != colours:
        before = {"gray": "gray images", "colour": "images in colours"}
        raise LearningError(
            f"{model.name} was learned from {before[model.card.colours]}, and these are {before[colours]}: "
            "give images with the channels of before, or learn from the bundled model"
        )
    return model
