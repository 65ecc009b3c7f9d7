"""Generated images for training, made once and kept beside the training's state."""

from __future__ import annotations

from multiprocessing import Pool
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.learning.scenes.scenes import draw
from napari_sam2_automask.learning.windows.training_image import TrainingImage

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["generate"]


def _numbered(key: tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
    image, levels = draw(np.random.default_rng(key))
    return image, np.stack(levels).astype(np.int16)


def generate(n: int, seed: int, cache: Path) -> list[TrainingImage]:
    """Make `n` images, or read them from `cache` when they were made with the same seed.

    Returns
    -------
    list of TrainingImage
        Of kind "generated", fully annotated.
    """
    if n == 0:
        return []
    stored = np.load(cache) if cache.exists() else None
    if stored is None or int(stored["seed"]) != seed or int(stored["n"]) < n:
        arrays: dict[str, NDArray[Any]] = {"seed": np.array(seed), "n": np.array(n)}
        with Pool() as pool:
            made = pool.imap(_numbered, ((seed, i) for i in range(n)), chunksize=8)
            for i, (image, levels) in enumerate(made):
                arrays[f"image{i}"], arrays[f"levels{i}"] = image, levels
        cache.parent.mkdir(parents=True, exist_ok=True)
        with cache.open("wb") as handle:
            np.savez(handle, **arrays)  # type: ignore[arg-type]
        stored = np.load(cache)
    return [
        TrainingImage(
            stored[f"image{i}"],
            list(stored[f"levels{i}"].astype(np.int32)),
            "generated",
            1.0,
            f"generated{i}",
        )
        for i in range(n)
    ]
