"""Pictures of a result: outlines over the image, beside the ground truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.evaluation.score import iou_matrix

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

__all__ = ["compare_with_truth", "draw_outlines"]

# From the palette of Okabe and Ito, which people with any colour vision can tell apart.
MATCHED = (86, 180, 233)
MISSED = (240, 228, 66)
EXTRA = (213, 94, 0)

_PANEL = 900  # pixels of a panel's longer side, at least
_MARGIN = 12


def compare_with_truth(
    view: NDArray[np.uint8], labels: NDArray[Any], truth: NDArray[Any], title: str = ""
) -> Image.Image:
    """Draw the ground truth and what was found side by side over the image.

    Parameters
    ----------
    view : ndarray of uint8, shape (Y, X, 3)
        The image.
    labels, truth : ndarray of int, shape (Y, X)
        What was found, and the ground truth.
    title : str
        A line above the panels.

    Returns
    -------
    PIL.Image.Image
        Enlarged by a whole number, so that outlines do not hide small objects.
    """
    from PIL import Image

    good = iou_matrix(labels, truth) >= 0.5
    label_ids, truth_ids = np.unique(labels[labels > 0]), np.unique(truth[truth > 0])
    matched = {*label_ids[good.any(axis=1)].tolist()}
    reached = {*truth_ids[good.any(axis=0)].tolist()}
    panels = [
        draw_outlines(view, truth, {int(k): MATCHED if int(k) in reached else MISSED for k in truth_ids}),
        draw_outlines(view, labels, {int(k): MATCHED if int(k) in matched else EXTRA for k in label_ids}),
    ]
    legends = [
        [
            ("Ground truth:", None),
            (f"found ({len(reached)})", MATCHED),
            (f"missed ({len(truth_ids) - len(reached)})", MISSED),
        ],
        [
            ("Result:", None),
            (f"matches an object ({len(matched)})", MATCHED),
            (f"matches none ({len(label_ids) - len(matched)})", EXTRA),
        ],
    ]
    height, width = panels[0].shape[:2]
    line = 34
    top = 2 * line + _MARGIN
    page = Image.new("RGB", (2 * width + 3 * _MARGIN, height + top + _MARGIN), "white")
    _write(page, (_MARGIN, 6), [(title, None)])
    for k, (panel, legend) in enumerate(zip(panels, legends, strict=True)):
        x = _MARGIN + k * (width + _MARGIN)
        _write(page, (x, 6 + line), legend)
        page.paste(Image.fromarray(panel), (x, top))
    return page


def draw_outlines(
    view: NDArray[np.uint8], labels: NDArray[Any], colours: dict[int, tuple[int, int, int]]
) -> NDArray[np.uint8]:
    """Draw each object's outline, just inside it, over the enlarged image.

    Parameters
    ----------
    view : ndarray of uint8, shape (Y, X, 3)
        The image.
    labels : ndarray of int, shape (Y, X)
        The objects.
    colours : dict of int to (int, int, int)
        Each object's colour.

    Returns
    -------
    ndarray of uint8, shape (k * Y, k * X, 3)
        Enlarged by the smallest whole number k that makes the longer side at least 900 pixels.
    """
    from scipy.ndimage import maximum_filter, minimum_filter

    factor = -(-_PANEL // max(labels.shape))
    ids, positions = np.unique(labels, return_inverse=True)
    dense = _enlarge(positions.reshape(labels.shape).astype(np.int32), factor)
    drawn = _enlarge(view, factor)
    table = np.array([colours.get(int(k), (0, 0, 0)) for k in ids], dtype=np.uint8)
    # Two pixels wide, with a dark line inside that sets it off from bright surroundings.
    for width, dark in ((3, True), (2, False)):
        size = 2 * width + 1
        edge = (minimum_filter(dense, size=size) != maximum_filter(dense, size=size)) & (ids[dense] > 0)
        drawn[edge] = table[dense[edge]] // 4 if dark else table[dense[edge]]
    return drawn


def _enlarge(array: NDArray[Any], factor: int) -> NDArray[Any]:
    return array.repeat(factor, axis=0).repeat(factor, axis=1)


def _write(
    page: Image.Image, at: tuple[int, int], parts: list[tuple[str, tuple[int, int, int] | None]]
) -> None:
    """Write words in a row, each after a swatch of its colour if it has one."""
    from PIL import ImageDraw, ImageFont

    pen, font = ImageDraw.Draw(page), ImageFont.load_default(size=20)
    x, y = at
    for text, colour in parts:
        if colour is not None:
            pen.rectangle((x, y + 4, x + 20, y + 20), fill=colour, outline="black")
            x += 28
        pen.text((x, y), text, fill="black", font=font)
        x += int(pen.textlength(text, font=font)) + 20
