"""What a run will cost, said before Run: encoder passes, point prompts, and seconds on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam2_automask._napari.run.progress_words import duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam2_automask._napari.common.memory import Store
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["cost_text", "expected_seconds", "remember_rates"]

#: Seconds per encoder pass and per point prompt on two CPU cores, for what has not been run here yet.
FIRST_GUESS = {
    "bundled": (0.15, 0.004),
    "sam2.1-tiny": (3.0, 0.02),
    "sam2.1-small": (4.0, 0.02),
    "sam2.1-base+": (7.0, 0.02),
    "sam2.1-large": (18.0, 0.02),
}


#: Seconds of a run that fits points to the objects, as a multiple of a pass and a thousand prompts.
FITTED_GUESS = 4.0


def prompts(settings: AmgSettings) -> int:
    """Return how many prompts the decoder answers; refinement asks every one again."""
    return settings.point_prompts * (2 if settings.use_m2m else 1)


def expected_seconds(settings: AmgSettings, model: str, device: str, store: Store) -> tuple[float, bool]:
    """Return the time that one plane will take, and whether it was measured on this machine."""
    if settings.fitted:
        last = store.get("rates", {}).get(f"{model} {device} fitted")
        per_pass, per_prompt = FIRST_GUESS.get(model, FIRST_GUESS["sam2.1-small"])
        guess = FITTED_GUESS * (per_pass + 1000 * per_prompt)
        return (sum(last), True) if last else (guess, False)
    measured = store.get("rates", {}).get(f"{model} {device}")
    per_pass, per_prompt = measured or FIRST_GUESS.get(model, FIRST_GUESS["sam2.1-small"])
    return settings.encoder_passes * per_pass + prompts(settings) * per_prompt, measured is not None


def remember_rates(
    settings: AmgSettings, model: str, device: str, spent: Mapping[str, float], planes: int, store: Store
) -> None:
    """Keep what a complete run over `planes` planes took, for the next expectation."""
    # How many passes and prompts a fitted run needs depends on the image: the last one is the best guess.
    passes, points = (1, 1) if settings.fitted else (settings.encoder_passes, prompts(settings))
    per_pass = spent.get("encoder", 0.0) / (passes * planes)
    per_prompt = (spent.get("points", 0.0) + spent.get("select", 0.0)) / (points * planes)
    name = f"{model} {device} fitted" if settings.fitted else f"{model} {device}"
    rates = {**store.get("rates", {}), name: [round(per_pass, 5), round(per_prompt, 7)]}
    store.put(rates=rates)


def cost_text(
    settings: AmgSettings, model: str, device: str, planes: int, store: Store, pictures: int = 1
) -> str:
    """Return one line: passes, prompts, expected time; `pictures` is how many the model sees of a plane."""
    seconds, measured = expected_seconds(settings, model, device, store)
    passes, points = settings.encoder_passes, settings.point_prompts
    text = f"{passes} encoder pass{'' if passes == 1 else 'es'}, {points:,} point prompts"
    if settings.fitted:
        text = "As many passes and points as the size of the objects asks for"
    parts = [f"{n:,} {what}" for n, what in ((planes, "planes"), (pictures, "channels")) if n > 1]
    if parts:
        text += f" on each of {parts[0]}" + (f" in each of {parts[1]}" if len(parts) > 1 else "")
    return f"{text}: about {duration(max(1.0, seconds * planes * pictures))} here" + (
        "" if measured else " (a guess until the first run)"
    )
