"""The bundled sample images for File > Open Sample."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from napari_sam2_automask.image.view import contrast_range
from napari_sam2_automask.samples import samples

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_automask.samples import Sample

    LayerData = tuple[Any, dict[str, Any], str]

__all__ = ["open_sample"]


def open_sample(sample: Sample) -> list[LayerData]:
    """Return a sample image and its ground truth, hidden at first, as napari layer data."""
    source = {"attribution": sample.attribution, "licence": sample.licence, "source": sample.source}
    image = sample.image()
    shown: dict[str, Any] = {"name": sample.title, "rgb": image.ndim == 3, "metadata": source}
    if image.ndim == 2:
        # napari would show 0 to 255, in which dim nuclei can hardly be seen, by people or by the model.
        shown["contrast_limits"] = contrast_range(image)
    return [
        (image, shown, "image"),
        (sample.truth(), {"name": f"{sample.title} - ground truth", "visible": False}, "labels"),
    ]


def __getattr__(name: str) -> Callable[[], list[LayerData]]:
    """Give the manifest one function for each sample, by the sample's name."""
    for sample in samples():
        if sample.name == name:
            return partial(open_sample, sample)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
