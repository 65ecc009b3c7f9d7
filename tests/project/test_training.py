"""The training code: targets, points, the wired start, and what is exported."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image
from places import ROOT

sys.path.insert(0, str(ROOT))


from model_training.data import Windows
from model_training.manifest import COLUMNS, differences, read_manifest, source_of
from model_training.records import load_records
from model_training.wiring import wire
from napari_sam2_automask.learning.network.decode import encode, masks_of
from napari_sam2_automask.learning.network.losses import dense_loss, mask_loss
from napari_sam2_automask.learning.network.muon import orthogonalise
from napari_sam2_automask.learning.network.prompts import correct
from napari_sam2_automask.learning.scenes.lettering import write_on
from napari_sam2_automask.learning.scenes.scenes import SCENES
from napari_sam2_automask.learning.windows.training_image import TrainingImage
from napari_sam2_automask.learning.windows.windows import dense_targets
from napari_sam2_automask.models.networks.bundled import build_bundled


def discs(size: int = 256) -> np.ndarray:
    labels = np.zeros((size, size), np.int32)
    y, x = np.mgrid[0:size, 0:size]
    places = [(60, 60, 24), (60, 109, 24), (180, 80, 40), (190, 190, 16), (110, 200, 30)]
    for i, (cy, cx, r) in enumerate(places, 1):
        labels[np.hypot(y - cy, x - cx) < r] = i
    return labels


def record() -> TrainingImage:
    labels = discs()
    return TrainingImage((labels > 0).astype(np.uint8) * 200, [labels], "fluorescence", 1.0, "a")


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


@pytest.mark.parametrize("varied", [True, False])
def test_boxes_lie_around_what_they_name(varied):
    """One drawn without shaking ends at the first and last pixel; a shaken one overlaps that well."""
    batch = next(iter(Windows([record()], 512, 2, 4, 3, varied, boxes=6)))
    assert batch["boxes"].shape == (2, 6, 5)
    for maps, level, boxes in zip(batch["maps"], batch["box_level"], batch["boxes"], strict=True):
        for x0, y0, x1, y1, name in boxes.tolist():
            y, x = np.nonzero(maps[level].numpy() == int(name))
            true = (x.min(), y.min(), x.max(), y.max())
            inter = max(0, min(x1, true[2]) - max(x0, true[0])) * max(0, min(y1, true[3]) - max(y0, true[1]))
            union = (x1 - x0) * (y1 - y0) + (true[2] - true[0]) * (true[3] - true[1]) - inter
            assert inter / union > 0.5


def test_a_correction_says_where_the_mask_was_wrong():
    objects = torch.from_numpy(discs())[None]
    ids = torch.tensor([[[1, 1, 1], [3, 3, 3]]])
    points = torch.tensor([[[60.0, 60.0], [80.0, 180.0]]])
    cells = objects[:, 2::4, 2::4]
    lacking = torch.where(cells == 1, 5.0, -5.0)
    lacking[:, :, :15] = -5  # of object 1 the left half is not there, of object 3 nothing
    too_much = torch.where((cells == 1) | (cells == 2), 5.0, -5.0)
    torch.manual_seed(0)
    for _ in range(20):
        pair, labels, names = correct(torch.stack([lacking, 0 * lacking - 5], 1), points, ids, objects, n=2)
        for (old, new), said, name in zip(pair[0], labels[0], names[0], strict=True):
            assert old.tolist() in points[0].tolist()
            x, y = new.long().tolist()
            assert said.tolist() == [1, 1]
            assert objects[0, y, x] == name[0]
            assert name[0] == 3 or x < 60
        pair, labels, names = correct(too_much[:, None], points[:, :1], ids[:, :1], objects, n=1)
        x, y = pair[0, 0, 1].long().tolist()
        assert labels.tolist() == [[[1, 0]]]
        assert objects[0, y, x] == 2


def test_a_mask_that_is_wrong_only_at_its_outline_costs_more_than_a_right_one():
    labels = discs()
    maps = torch.from_numpy(labels)[None, None].expand(1, 3, -1, -1)
    ids = torch.tensor([[[3, 3, 3]]])
    y, x = np.mgrid[0:256:4, 0:256:4] + 1.5

    def loss(radius: float) -> float:
        torch.manual_seed(0)
        logits = torch.from_numpy(radius - np.hypot(y - 180, x - 80)).float().expand(1, 4, -1, -1)
        return mask_loss(logits * 2, torch.ones(1, 4), maps, ids, torch.ones(1)).mask.item()

    assert loss(40) < loss(37) < loss(34)
    assert loss(40) < loss(43) < loss(46)


def test_unlabelled_pixels_count_only_where_every_object_is_annotated(tmp_path):
    kinds = {
        "instances": (1.0, 1.0),
        "instances-one-class": (0.0, 1.0),
        "partial": (0.0, 1.0),
        "instances-overlapping-flattened": (0.15, 0.4),
        "instances-partial (80 classes)": (0.0, 0.3),
    }
    lines = ["file,label,licence,modality,gt_type,group"]
    for i, gt_type in enumerate(kinds):
        Image.fromarray(np.zeros((40, 40), np.uint8)).save(tmp_path / f"{i}.png")
        Image.fromarray(np.ones((40, 40), np.uint16)).save(tmp_path / f"{i}.lab.png")
        lines.append(f"{i}.png,{i}.lab.png,MIT,brightfield cytology nuclei,{gt_type},{i}")
    (tmp_path / "index.csv").write_text("\n".join(lines) + "\n")
    found = load_records(tmp_path)
    assert [(r.negatives, r.outlines) for r in found] == list(kinds.values())
    batch = next(iter(Windows([found[1]], 256, 2, 4, 0)))
    assert (batch["points"][..., 3] > 0).all()  # no point on background
    assert not batch["negatives"].any()


def test_letters_are_no_objects():
    image = np.full((256, 256), 100, np.uint8)
    labels = np.ones((256, 256), np.int32)
    [after] = write_on(np.random.default_rng(0), image, [labels])
    ink = image != 100
    assert 100 < ink.sum() < ink.size / 4
    assert np.array_equal(after == 0, ink)
    assert labels.all()


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
        labels_of_points = torch.ones(1, 5, 1, dtype=torch.int)
        features = encode(model, image, origin)
        logits, _ = masks_of(model, features, points[:, :, None], labels_of_points, origin, half=False)
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
    assert len(rows) == 858 + 277
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
