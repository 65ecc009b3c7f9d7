"""The training code: targets, points, the wired start, and what is exported."""

import sys

import numpy as np
import pytest
import torch
from places import ROOT

sys.path.insert(0, str(ROOT))


from model_training.data import Windows, dense_targets
from model_training.decode import encode, masks_of
from model_training.generated import SCENES
from model_training.losses import dense_loss, mask_loss
from model_training.manifest import COLUMNS, differences, read_manifest, source_of
from model_training.muon import orthogonalise
from model_training.records import Record
from model_training.wiring import wire
from napari_sam2_automask.models.networks.bundled import build_bundled


def discs(size: int = 256) -> np.ndarray:
    labels = np.zeros((size, size), np.int32)
    y, x = np.mgrid[0:size, 0:size]
    places = [(60, 60, 24), (60, 109, 24), (180, 80, 40), (190, 190, 16), (110, 200, 30)]
    for i, (cy, cx, r) in enumerate(places, 1):
        labels[np.hypot(y - cy, x - cx) < r] = i
    return labels


def record() -> Record:
    labels = discs()
    return Record((labels > 0).astype(np.uint8) * 200, [labels], "fluorescence", 1.0, "a")


def test_dense_targets_point_at_the_centre():
    labels = np.zeros((64, 64), np.int32)
    labels[16:48, 24:40] = 3
    here, dy, dx, log_radius, weight = dense_targets(labels)
    assert here.sum() * 16 == 32 * 16
    inside = weight > 0
    y, x = np.nonzero(inside)
    np.testing.assert_allclose(y * 4 + 1.5 + dy[inside] * 32, 31.5)
    np.testing.assert_allclose(x * 4 + 1.5 + dx[inside] * 32, 31.5)
    assert np.exp(log_radius[inside]) * 16 == pytest.approx(np.sqrt(512 / np.pi))


@pytest.mark.parametrize("size", [256, 512])
def test_points_lie_on_what_they_name(size):
    batch = next(iter(Windows([record()], size, 2, 12, seed=1)))
    assert batch["image"].shape == (2, size, size, 3)
    for maps, points in zip(batch["maps"], batch["points"], strict=True):
        x, y, *ids = points.long().T
        for level in range(3):
            assert (maps[level, y, x] == ids[level]).all()
    assert (batch["origin"] + size <= 512).all()


def test_the_same_seed_gives_the_same_windows():
    a, b = (next(iter(Windows([record()], 256, 2, 4, seed=5))) for _ in range(2))
    assert all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("scene", [s for s, _ in SCENES], ids=lambda s: s.__name__)
def test_every_scene_has_objects_and_is_repeatable(scene):
    image, levels = scene(np.random.default_rng(4))
    again, _ = scene(np.random.default_rng(4))
    assert np.isfinite(image).all()
    assert np.array_equal(image, again)
    assert all(level.shape == image.shape[:2] for level in levels)
    assert levels[0].max() >= 1
    assert len(levels) in (1, 3)


def test_wired_decoder_segments_before_any_training():
    """With true centres in place of predicted ones, masks are those of the objects under the points."""
    torch.manual_seed(0)
    model = build_bundled()
    wire(model)
    labels = discs()
    target = torch.from_numpy(dense_targets(labels))[None]
    dense = torch.cat([target[:, :1] * 12 - 6, target[:, 1:4] * (target[:, 4:] > 0)], 1)
    trunk = model.image_encoder.trunk
    features = trunk.features
    trunk.features = lambda x: (*features(x)[:3], dense)
    points = torch.tensor([[[50.0, 70.0], [115.0, 50.0], [70.0, 190.0], [190.0, 190.0], [190.0, 110.0]]])
    origin = torch.tensor([[128.0, 96.0]])
    with torch.no_grad():
        image = torch.zeros(1, 256, 256, 3, dtype=torch.uint8)
        logits, _ = masks_of(model, encode(model, image, origin), points, origin, half=False)
    truth = torch.from_numpy(labels)[2::4, 2::4] == torch.arange(1, 6)[:, None, None]
    found = logits[:, 1] > 0
    iou = (found & truth).sum((1, 2)) / (found | truth).sum((1, 2))
    assert iou.min() > 0.6, iou
    assert iou.mean() > 0.8, iou


def test_losses_of_perfect_masks_are_small():
    labels = discs()
    target = torch.from_numpy(dense_targets(labels))[None]
    dense = torch.cat([target[:, :1] * 20 - 10, target[:, 1:4]], 1)
    assert dense_loss(dense, target, torch.ones(1)).total < 0.1

    maps = torch.from_numpy(labels)[None, None].expand(1, 3, -1, -1)
    ids = torch.tensor([[[1, 1, 1], [3, 3, 3], [0, 0, 0]]])
    soft = [torch.nn.functional.avg_pool2d((maps[:, :1] == i).float(), 4) * 20 - 10 for i in (1, 3, 5)]
    logits = torch.cat(soft).expand(-1, 4, -1, -1)
    iou = torch.ones(3, 4)
    good = mask_loss(logits, iou, maps, ids, torch.ones(1))
    assert good.mask < 0.35
    assert good.best > 0.9
    assert good.iou < 0.05  # the background point's mask shows object 5 exactly
    bad = mask_loss(-logits, iou, maps, ids, torch.ones(1))
    assert bad.mask > 5 * good.mask
    assert bad.iou > 0.5


def test_orthogonalised_updates_have_singular_values_near_one():
    generator = torch.Generator().manual_seed(0)
    values = torch.linalg.svdvals(orthogonalise(torch.randn(3, 48, 200, generator=generator)))
    assert values.min() > 0.5
    assert values.max() < 1.4


def test_windows_that_do_not_vary_show_the_image_as_it_is():
    batch = next(iter(Windows([record()], 256, 2, 3, 0, varied=False)))
    values = np.unique(batch["image"].numpy())
    assert values.min() == 0 and values.max() == 200
    other = np.unique(next(iter(Windows([record()], 256, 2, 3, 0)))["image"].numpy())
    assert len(other) > len(values)


def test_the_manifest_names_a_source_for_every_image_and_no_share_alike_one_is_used():
    rows = read_manifest()
    assert len(rows) == 858
    assert all(len(row["sha256_image"]) == len(row["sha256_label"]) == 64 for row in rows)
    for row in rows:
        source = source_of(row["file"])
        assert (source.repository, source.commit) == (row["repository"], row["commit"])
    assert sum("SA" in row["licence"] for row in rows) == 1  # load_records leaves it out


def test_a_changed_or_missing_image_is_told(tmp_path):
    row = dict.fromkeys(COLUMNS, "") | {"file": "S_dsb_a.png", "sha256_image": "1"}
    other = row | {"file": "S_dsb_b.png"}
    assert differences([row], [row]) == []
    assert differences([row | {"sha256_image": "2"}], [row]) == ["S_dsb_a.png: sha256_image differ"]
    assert differences([row, other], [row]) == ["S_dsb_b.png: not in the manifest"]
    assert differences([], [row]) == ["S_dsb_a.png: missing"]
