"""The bundled model: its file, its network, and Meta's own generator running it."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from napari_sam2_automask.models import find_entry
from napari_sam2_automask.models.networks import bundled

FILE = find_entry("bundled").path


@pytest.fixture(scope="module")
def network():
    model = bundled.build_bundled()
    model.load_state_dict({k: v.float() for k, v in load_file(FILE).items()}, strict=True)
    return model


def discs() -> tuple[np.ndarray, np.ndarray]:
    """Bright discs on a dark, noisy ground."""
    truth = np.zeros((256, 256), np.uint16)
    y, x = np.mgrid[0:256, 0:256]
    for i, (cy, cx, r) in enumerate([(60, 60, 16), (70, 170, 22), (180, 80, 20), (190, 190, 14)], 1):
        truth[np.hypot(y - cy, x - cx) < r] = i
    gray = np.where(truth > 0, 170, 40) + np.random.default_rng(0).normal(0, 6, truth.shape)
    return np.repeat(np.clip(gray, 0, 255).astype(np.uint8)[..., None], 3, -1), truth


def test_file_is_small_and_half_precision():
    assert FILE.stat().st_size <= bundled.MAX_BYTES
    assert {str(v.dtype) for v in load_file(FILE).values()} == {"torch.float16"}


def test_position_code_and_centre_code_share_frequencies(network):
    """Prompt positions stand in for object centres, so both codes must turn at the same rate."""
    freq = network.image_encoder.trunk.freq
    gauss = network.sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix
    ours = gauss[:, : freq.shape[1]] * 4 * np.pi / bundled.IMAGE_SIZE
    torch.testing.assert_close(ours, freq, rtol=2e-3, atol=1e-4)


def test_mask_prompts_change_nothing(network):
    """Refinement by mask prompts is not trained; it must do no harm."""
    prompts = network.sam_prompt_encoder
    point = (torch.tensor([[[100.0, 120.0]]]), torch.ones(1, 1, dtype=torch.int))
    _, without = prompts(points=point, boxes=None, masks=None)
    _, with_mask = prompts(points=point, boxes=None, masks=torch.randn(1, 1, 128, 128))
    torch.testing.assert_close(with_mask, without.expand_as(with_mask), atol=2e-3, rtol=0)


def test_metas_generator_runs_it_unchanged(network):
    """Only the predictor's feature sizes, which sam2 keeps fixed for 1024 pixels, have to be set."""
    from sam2.automatic_mask_generator import SAM2AutomaticMaskGenerator

    from napari_sam2_automask.evaluation import score

    generator = SAM2AutomaticMaskGenerator(
        network, points_per_side=12, pred_iou_thresh=0.5, stability_score_thresh=0.7, box_nms_thresh=0.5
    )
    generator.predictor._bb_feat_sizes = bundled.feature_sizes()
    image, truth = discs()
    records = generator.generate(image)
    best = score.best_ious([r["segmentation"] for r in records], truth)
    assert (best >= 0.75).all(), best
    assert len(records) <= 8
