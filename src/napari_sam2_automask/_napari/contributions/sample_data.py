"""The bundled sample images for File > Open Sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam2_automask.image.view import contrast_range
from napari_sam2_automask.samples import samples

if TYPE_CHECKING:
    from napari_sam2_automask.samples import Sample

    LayerData = tuple[Any, dict[str, Any], str]

__all__ = ["fluorescence_nuclei", "open_sample", "phase_contrast_cells", "stained_nuclei"]


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


def fluorescence_nuclei() -> list[LayerData]:
    """Open the sample of fluorescent nuclei."""
    return _open("fluorescence_nuclei")


def stained_nuclei() -> list[LayerData]:
    """Open the sample of stained tissue."""
    return _open("stained_nuclei")


def phase_contrast_cells() -> list[LayerData]:
    """Open the sample of cells in phase contrast."""
    return _open("phase_contrast_cells")


def _open(name: str) -> list[LayerData]:
    return open_sample(next(one for one in samples() if one.name == name))
