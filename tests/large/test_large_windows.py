"""With the bundled model: the labels of a large run hardly depend on where its tiles lie."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.transform import rescale

from napari_sam2_automask.evaluation.score import match
from napari_sam2_automask.large.output.omezarr import RECORD, open_levels, read_attributes
from napari_sam2_automask.large.run import segment_large
from napari_sam2_automask.large.source.source import FileSource
from napari_sam2_automask.large.tile_segmenter import ModelSegmenter
from napari_sam2_automask.large.tiles.tiling import tiling_for
from napari_sam2_automask.samples import samples
from napari_sam2_automask.settings.presets import resolve_settings
from napari_sam2_automask.workers.process import model_of


@pytest.fixture(scope="module")
def nuclei(tmp_path_factory):
    """Return the path of an image of small nuclei, mirrored at the sample's edges."""
    sample = next(s for s in samples() if "fluorescence" in s.name)
    small = rescale(sample.image().astype(np.float32), 0.3, anti_aliasing=True)
    path = tmp_path_factory.mktemp("nuclei") / "nuclei.npy"
    more = [(0, max(0, n - m)) for n, m in zip((300, 320), small.shape, strict=True)]
    np.save(path, np.pad(small, more, "symmetric")[:300, :320].astype(np.float32))
    return path


def labels_of(path, folder, **tiling):
    settings, _ = resolve_settings("balanced", model_of("bundled", "cpu").family)
    settings = settings.replace(fit_objects=False, object_diameter=9.0, points_per_diameter=2)
    source = FileSource(str(path))
    limits = tuple(np.percentile(np.load(path), [0.5, 99.8]).tolist())
    segmenter = ModelSegmenter(settings, contrast_limits=limits)
    how = tiling_for(settings, tiling.pop("tile"))
    assert how.window > 0
    result = segment_large(source, folder / "labels.zarr", segmenter, **how._asdict(), **tiling)
    return np.asarray(open_levels(result.path)[0])  # too small for a second level


def test_objects_are_the_same_in_whatever_tile_they_are(nuclei, tmp_path):
    usual = labels_of(nuclei, tmp_path / "usual", tile=256)
    shifted = labels_of(nuclei, tmp_path / "shifted", tile=256, shifted=True)
    whole = labels_of(nuclei, tmp_path / "whole", tile=512)
    apart = [read_attributes(tmp_path / name / "labels.zarr")[RECORD] for name in ("usual", "whole")]
    known, alone = (record["disagreement"] for record in apart)
    assert known == pytest.approx(alone, rel=0.1) and "unfamiliar" not in apart[0]
    assert usual.max() > 50
    for other in (shifted, whole):
        counts = match(usual, other, 0.8)
        assert counts.tp >= 0.98 * (counts.tp + max(counts.fp, counts.fn))
