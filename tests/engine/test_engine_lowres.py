"""Measures from low-resolution logits are those of the resized masks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter

from napari_sam2_automask.engine.decoder import mask_measures
from napari_sam2_automask.engine.decoder.mask_measures import Resizer
from napari_sam2_automask.geometry.bilinear import Axis, resize_window
from napari_sam2_automask.models import import_sam2

SIZES = [(256, 256), (200, 130), (37, 51), (64, 64), (9, 300), (65, 64), (1, 1)]


def _fields(smooth: float, count: int = 4) -> torch.Tensor:
    rng = np.random.default_rng(3)
    fields = [gaussian_filter(rng.normal(size=(64, 64)), smooth) for _ in range(count)]
    stack = np.stack([f / f.std() * 6 - shift for f, shift in zip(fields, (-40, 2, 8, 40), strict=False)])
    return torch.from_numpy(stack.astype(np.float32))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("smooth", [0.0, 3.0])
@pytest.mark.parametrize(("threshold", "offset"), [(0.0, 1.0), (2.0, 0.5), (-3.0, 0.0)])
def test_same_as_resizing(
    size: tuple[int, int], smooth: float, threshold: float, offset: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_sam2()
    from sam2.utils.amg import batched_mask_to_box, calculate_stability_score

    monkeypatch.setattr(mask_measures, "_PIXELS", 5000)  # several rounds
    logits = _fields(smooth)
    full = F.interpolate(logits[None], size, mode="bilinear", align_corners=False)[0]
    measures = Resizer((64, 64), size, threshold, offset, torch.device("cpu")).measure(logits)
    # Rounding may move a pixel whose logit is a threshold.
    assert np.abs(measures.area - (full > threshold).sum((1, 2)).numpy()).max() <= 1
    stability = calculate_stability_score(full, threshold, offset).numpy()
    np.testing.assert_allclose(measures.stability, stability, atol=1e-4, rtol=0)
    assert np.array_equal(measures.boxes, batched_mask_to_box(full > threshold).numpy())
    assert measures.area[0] == size[0] * size[1]
    assert measures.area[3] == 0 and not measures.boxes[3].any()


def test_wide_images_do_not_overflow() -> None:
    """Meta's score adds up rows in 16 bits, which wraps above 32767 pixels; ours does not."""
    import_sam2()
    from sam2.utils.amg import calculate_stability_score

    logits = torch.full((1, 4, 4), 5.0)
    logits[:, :, 3:] = 0.5
    full = F.interpolate(logits[None], (8, 40_000), mode="bilinear", align_corners=False)[0]
    expected = (full > 1).sum() / (full > -1).sum()
    ours = Resizer((4, 4), (8, 40_000), 0.0, 1.0, torch.device("cpu")).measure(logits)
    assert ours.stability.item() == pytest.approx(expected.item(), abs=1e-6)
    assert calculate_stability_score(full, 0.0, 1.0).item() != pytest.approx(expected.item(), abs=1e-3)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_windows_are_resized_like_the_whole(size: tuple[int, int]) -> None:
    logits = _fields(2.0)[1]
    full = F.interpolate(logits[None, None], size, mode="bilinear", align_corners=False)[0, 0].numpy()
    axes = Axis.make(64, size[0]), Axis.make(64, size[1])
    for rows, columns in [((0, 64), (0, 64)), ((10, 30), (5, 64)), ((0, 9), (33, 40))]:
        (y0, y1), (x0, x1) = axes[0].inside(*rows), axes[1].inside(*columns)
        window = logits[slice(*rows), slice(*columns)].numpy()
        part = resize_window(window, (rows[0], columns[0]), axes, (y0, x0, y1, x1))
        np.testing.assert_allclose(part, full[y0:y1, x0:x1], rtol=0, atol=1e-5)


def test_more_pixels_than_32_bits_count() -> None:
    """Meta's generator looks for mask pixels with an index of 32 bits, on a GPU; ours makes none of them."""
    logits = torch.full((2, 4, 4), 5.0)
    logits[1] = -5.0
    measures = Resizer((4, 4), (60_000, 40_000), 0.0, 1.0, torch.device("cpu")).measure(logits)
    assert measures.area.tolist() == [60_000 * 40_000, 0]
    assert 60_000 * 40_000 > 2**31
    assert measures.boxes.tolist() == [[0, 0, 39_999, 59_999], [0, 0, 0, 0]]
    assert measures.stability[0] == 1


@pytest.mark.parametrize("place", [(0, 0), (0, 60), (60, 0), (60, 60), (30, 20)], ids=str)
def test_small_masks_anywhere_are_measured_like_large_ones(place: tuple[int, int]) -> None:
    """Masks are measured in the window that they reach; here it lies at each edge."""
    logits = torch.full((1, 64, 64), -6.0)
    logits[0, place[0] : place[0] + 4, place[1] : place[1] + 4] = torch.arange(16.0).view(4, 4) / 2 - 3
    full = F.interpolate(logits[None], (150, 210), mode="bilinear", align_corners=False)[0]
    measures = Resizer((64, 64), (150, 210), 0.0, 1.0, torch.device("cpu")).measure(logits)
    ys, xs = (full[0] > 0).nonzero(as_tuple=True)
    assert measures.area.item() == len(ys) > 0
    assert measures.intersection.item() == (full > 1).sum() > 0
    assert measures.union.item() == (full > -1).sum()
    assert measures.boxes[0].tolist() == [xs.min(), ys.min(), xs.max(), ys.max()]
