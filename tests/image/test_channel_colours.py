"""Colours of a channel with and without their own opacity, in one look."""

from __future__ import annotations

import numpy as np

from napari_sam2_automask.image.channels import Look


def test_a_colour_without_opacity_among_others_is_opaque():
    table = Look(colours=((0, 0, 0, 0), (1, 0.5, 0))).table
    np.testing.assert_allclose(table[[0, -1]], [(0, 0, 0, 0), (1, 0.5, 0, 1)], atol=1e-6)
