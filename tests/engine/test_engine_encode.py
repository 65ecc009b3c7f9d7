"""What the encoder is given: torchvision's numbers without torchvision, whose import is slow."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torchvision.transforms.functional import normalize, resize, to_tensor

from napari_sam2_automask.engine.encoder.encode import model_input

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


@pytest.mark.parametrize("shape", [(1, 1), (5, 300), (128, 128), (201, 77)])
@pytest.mark.parametrize("size", [128, 256])
def test_the_input_is_that_of_torchvisions_transforms(shape: tuple[int, int], size: int) -> None:
    view = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    for turned in (view, view[::-1, :, ::-1]):
        expected = normalize(resize(to_tensor(np.ascontiguousarray(turned)), [size, size]), MEAN, STD)[None]
        assert torch.equal(model_input(turned, size), expected)


def test_a_run_loads_no_compiler() -> None:
    code = """
import sys
import numpy as np
from napari_sam2_automask import AmgSettings, segment
segment(np.zeros((8, 8), np.uint8), AmgSettings(points_per_side=1))
print([name for name in ("torchvision", "torch._dynamo") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
