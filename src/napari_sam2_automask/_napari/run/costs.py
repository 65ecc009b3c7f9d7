"""What a run will cost, said before Run: seconds on this machine, encoder passes and point prompts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from napari_sam2_automask._napari.run.progress_words import duration
from napari_sam2_automask.engine.points.fitted_grid import counts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam2_automask._napari.common.memory import Store
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["Cost", "Work", "cost_of", "remember_rates"]

#: Seconds per encoder pass and per point prompt on two CPU cores, for what has not been run here yet.
FIRST_GUESS = {
    "bundled": (0.15, 0.004),
    "sam2.1-tiny": (3.0, 0.02),
    "sam2.1-small": (4.0, 0.02),
    "sam2.1-base+": (7.0, 0.02),
    "sam2.1-large": (18.0, 0.02),
}
#: Of the points of a fit, the share that is asked: the rest lies where there is nothing. Of the ground, the
#: share on which there are objects.
ASKED = 0.35
#: How wide objects are, where nobody knows: between such shares of the image's side, and so many pixels.
WIDE, NARROW, FEWEST = 1 / 8, 1 / 64, 10.0
#: Two times are one if they differ by less than this factor.
CLOSE = 1.5
#: From so many seconds on, a try on a part is suggested.
LONG = 120.0


class Work(NamedTuple):
    """How much there is to do in one picture: encoder passes and point prompts."""

    passes: int
    prompts: int


class Cost(NamedTuple):
    """What a run will cost.

    Attributes
    ----------
    low, high : float
        Seconds between which it will take; they are one where the objects' size is known.
    text : str
        How long, in words.
    details : str
        Passes and prompts.
    """

    low: float
    high: float
    text: str
    details: str

    @property
    def hint(self) -> str:
        """A sentence that suggests a try, for a run that takes minutes; else empty."""
        likely = math.sqrt(self.low * self.high)
        if likely < LONG:
            return ""
        return f"This takes some {duration(60 * round(likely / 60))}: 'This view' first shows what comes out."


def work_of(settings: AmgSettings, shape: tuple[int, int], width: float) -> Work:
    """Return what there is to do in a picture of some rows and columns, with objects of a width in pixels."""
    again = 1 + settings.masks_per_point * settings.use_m2m  # refinement asks once for every mask
    if min(shape) < 1 or not (settings.fitted or settings.at_objects):
        return Work(settings.encoder_passes, settings.point_prompts * again)
    wide = settings.object_diameter or width
    if not settings.at_objects:
        passes, points = counts(shape, wide, settings.points_per_diameter)
        return Work(passes, points * again)
    passes, places = counts(shape, wide, 1)
    points = math.ceil(ASKED * places * _an_object(settings))
    return Work(passes if settings.fitted else settings.encoder_passes, points * again)


def cost_of(
    settings: AmgSettings,
    model: str,
    device: str,
    store: Store,
    shape: tuple[int, int],
    *,
    planes: int = 1,
    pictures: int = 1,
    width: float = 0.0,
) -> Cost:
    """Return what a run will cost.

    Parameters
    ----------
    settings : AmgSettings
        The settings.
    model, device : str
        What will run where.
    store : Store
        Remembers the pace of earlier runs.
    shape : (int, int)
        Rows and columns of what the model sees; (0, 0) where there is no image.
    planes, pictures : int
        How many planes, and how many pictures of each the model sees.
    width : float
        How wide objects are, in pixels, as an earlier run of the same image found; 0 if there was none.
    """
    side = math.sqrt(shape[0] * shape[1])
    known = settings.object_diameter or width or not (settings.fitted or settings.at_objects)
    widths = (width, width) if known else (max(side * WIDE, FEWEST), max(side * NARROW, FEWEST))
    measured = store.get("rates", {}).get(_name(settings, model, device))
    first_pass, first_prompt = FIRST_GUESS.get(model, FIRST_GUESS["sam2.1-small"])
    few = settings.fitted and not settings.at_objects
    per_pass, per_prompt = measured or (first_pass, first_prompt * (ASKED if few else 1))
    times, works = [], []
    for wide in widths:
        work = work_of(settings, shape, wide)
        works.append(work)
        seconds = work.passes * per_pass + work.prompts * per_prompt
        times.append(max(1.0, seconds * planes * pictures * len(settings.renderings.split("+"))))
    low, high = min(times), max(times)
    text = f"about {duration(_rounded(math.sqrt(low * high)))}" if high < CLOSE * low else _between(low, high)
    text += f" for {planes:,} planes" if planes > 1 else ""
    text += f" in each of {pictures:,} channels" if pictures > 1 else ""
    if not measured:
        text += ", a guess until the first run"
    return Cost(low, high, text, _details(settings, works[0], known=bool(known)))


def remember_rates(
    settings: AmgSettings,
    model: str,
    device: str,
    spent: Mapping[str, float],
    planes: int,
    store: Store,
    *,
    shape: tuple[int, int] = (0, 0),
    width: float = 0.0,
) -> None:
    """Keep what a complete run over `planes` planes took, for the next expectation.

    Parameters are those of `cost_of`; `spent` holds seconds by stage, `width` is that which the run found.
    """
    if settings.fitted and not (settings.object_diameter or width):
        return  # nothing was seen that points could be fitted to
    if settings.at_objects:  # of a width that nobody asked for, the middle of what is expected
        width = width or max(math.sqrt(shape[0] * shape[1] * WIDE * NARROW), FEWEST)
    work = work_of(settings, shape, width)
    times = len(settings.renderings.split("+")) * planes
    per_pass = (spent.get("encoder", 0.0) + spent.get("fit", 0.0)) / (work.passes * times)
    asking = sum(spent.get(stage, 0.0) for stage in ("points", "select", "paint"))
    per_prompt = asking / (work.prompts * times)
    rates = {
        **store.get("rates", {}),
        _name(settings, model, device): [round(per_pass, 5), round(per_prompt, 7)],
    }
    store.put(rates=rates)


def _name(settings: AmgSettings, model: str, device: str) -> str:
    # Of the points of a fit only some are asked, and how many objects there are is a guess: both have a pace
    # of their own.
    kinds = [model, device, *["fit"] * settings.fitted, *["objects"] * settings.at_objects]
    return " ".join(kinds)


def _an_object(settings: AmgSettings) -> int:
    """Return how often an object is asked at most: at its centre, next to its neighbour, and around."""
    return 2 + settings.points_per_diameter


def _between(low: float, high: float) -> str:
    first, last = duration(_rounded(low)), duration(_rounded(high))
    number, _, unit = first.partition(" ")
    return f"{number if last.endswith(' ' + unit) and last.count(' ') == 1 else first} to {last}"


def _rounded(seconds: float) -> float:
    """Return a time as exact as a guess can be."""
    step = 60 if seconds > 90 else 5 if seconds > 10 else 1
    return max(1.0, float(round(seconds / step) * step))


def _details(settings: AmgSettings, work: Work, *, known: bool) -> str:
    if not known and settings.fitted and not settings.at_objects:
        return "As many encoder passes and point prompts as the size of the objects asks for."
    passes = f"{work.passes:,} encoder pass{'' if work.passes == 1 else 'es'}"
    if settings.fitted and not known:
        passes = "As many encoder passes as the size of the objects asks for"
    if settings.at_objects:
        return f"{passes}, up to {_an_object(settings)} point prompts an object."
    return f"{passes}, {'up to ' if settings.fitted else ''}{work.prompts:,} point prompts."
