"""What classical image analysis reaches on the same images: threshold, smooth, split by a distance watershed.

`python benchmarks/quality/baseline.py --data TRAIN` tunes the parameters for each kind and for all together
(used for kinds that are not in TRAIN), and prints the table `TUNED`. Run on the images that it is scored on,
it prints the most that any of its parameters could reach there.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage as ndi
from skimage import feature, filters, measure, morphology, segmentation

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.quality.folder import Annotated, read_folder
from napari_sam2_automask.evaluation import score

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TUNED", "Parameters", "classical"]


@dataclass(frozen=True, slots=True)
class Parameters:
    """Parameters of the classical pipeline.

    Attributes
    ----------
    bright : bool
        Whether objects are brighter than their surroundings.
    local : bool
        Threshold against the neighbourhood (a quarter of the image wide) instead of Otsu's for the whole
        image.
    sigma : float
        Smoothing before the threshold, in pixels.
    spacing : int
        Smallest distance of two object centres, in pixels.
    smallest : int
        Smaller objects are dropped, in pixels.
    """

    bright: bool = True
    local: bool = False
    sigma: float = 1.0
    spacing: int = 7
    smallest: int = 30


TUNED: dict[str, Parameters] = {
    "fluorescence": Parameters(bright=True, local=False, sigma=1.0, spacing=4, smallest=20),
    "histology": Parameters(bright=False, local=False, sigma=2.0, spacing=8, smallest=80),
    "cytology": Parameters(bright=False, local=False, sigma=1.0, spacing=8, smallest=80),
    "phase contrast": Parameters(bright=False, local=True, sigma=1.0, spacing=16, smallest=80),
}


def classical(image: NDArray[np.uint8], parameters: Parameters) -> NDArray[np.int32]:
    """Segment one image.

    Parameters
    ----------
    image : ndarray of uint8, shape (Y, X) or (Y, X, 3)
        Colours are averaged.
    parameters : Parameters
        What was tuned for its kind.

    Returns
    -------
    ndarray of int32, shape (Y, X)
        Labels, 0 for background.
    """
    gray = image.mean(-1) if image.ndim == 3 else image.astype(np.float64)
    gray = gray if parameters.bright else gray.max() - gray
    smooth = filters.gaussian(gray, parameters.sigma)  # type: ignore[no-untyped-call]
    if parameters.local:
        block = min(gray.shape) // 4 * 2 // 2 * 2 + 1
        threshold = filters.threshold_local(smooth, block, method="mean") + 0.25 * smooth.std()  # type: ignore[no-untyped-call]
    else:
        threshold = filters.threshold_otsu(smooth)  # type: ignore[no-untyped-call]
    mask = ndi.binary_fill_holes(smooth > threshold)
    mask = morphology.remove_small_objects(mask, max_size=parameters.smallest)
    distance = ndi.gaussian_filter(ndi.distance_transform_edt(mask), 1.0)
    peaks = feature.peak_local_max(distance, min_distance=parameters.spacing, labels=measure.label(mask))  # type: ignore[no-untyped-call]
    markers = np.zeros(mask.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    labels: NDArray[np.int32] = segmentation.watershed(-distance, markers, mask=mask).astype(np.int32)  # type: ignore[no-untyped-call]
    return labels


def grid() -> list[Parameters]:
    """Return the parameters that are tried."""
    return [
        Parameters(*values)
        for values in itertools.product((True, False), (False, True), (1.0, 2.0, 4.0), (4, 8, 16), (20, 80))
    ]


def main() -> None:
    """Tune on a folder and print the best parameters of each kind with their mean F1@0.5."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--each", type=int, default=12, help="images of each kind")
    parser.add_argument("--kinds", nargs="*", help="only these kinds")
    args = parser.parse_args()
    kinds: dict[str, dict[str, list[Annotated]]] = defaultdict(lambda: defaultdict(list))
    for item in read_folder(args.data):
        if not args.kinds or item.kind in args.kinds:
            kinds[item.kind][item.group].append(item)
    everywhere = []
    for kind, groups in kinds.items():
        # One image of each group first, so that a large field does not count for many.
        order = [i for turn in itertools.zip_longest(*groups.values()) for i in turn if i is not None]
        step = max(1, len(groups) // args.each)
        chosen = order[::step][: args.each]
        means = {p: np.mean([score.f1(classical(i.image, p), i.truth) for i in chosen]) for p in grid()}
        if chosen[0].complete:
            everywhere.append(means)
        best = max(means, key=lambda p: float(means[p]))
        values = ", ".join(f"{k}={v!r}" for k, v in asdict(best).items())
        print(
            f'    "{kind}": Parameters({values}),  # F1 {means[best]:.3f} on {len(chosen)} images', flush=True
        )
    best = max(grid(), key=lambda p: float(np.mean([means[p] for means in everywhere])))
    mean = np.mean([means[best] for means in everywhere])
    print(
        f"    ANY: Parameters({', '.join(f'{k}={v!r}' for k, v in asdict(best).items())}),  # F1 {mean:.3f}"
    )


if __name__ == "__main__":
    main()
