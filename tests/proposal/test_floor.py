"""The floor of a proposal as a person gives it: a pair of scores, or the floor of other candidates."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from napari_sam2_automask import propose, segment
from napari_sam2_automask.candidates import Candidates, Floor
from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.settings.amg import AmgSettings

GRAY = np.arange(300, dtype=np.uint8).reshape(15, 20)
MODEL = SimpleNamespace(family="sam2", name="none", sha256="0" * 64, config="", description=dict)


@pytest.fixture
def asked(monkeypatch):
    """Return the floors that the model was asked with; it finds nothing."""
    floors = []

    def propose_view(view, settings, model, *, floor, **_):
        floors.append(floor)
        return Candidates.none(view.shape[:2], settings, floor or Floor.of(settings))

    monkeypatch.setattr("napari_sam2_automask.pipeline.propose_view", propose_view)
    return floors


@pytest.mark.parametrize("verb", [propose, segment])
def test_a_floor_is_taken_as_a_pair_is(verb, asked):
    settings = AmgSettings(points_per_side=2)
    before = propose(GRAY, settings, MODEL, floor=[0.6, 0.5])
    for floor in ((0.6, 0.5), Floor(0.6, 0.5), before.floor, np.array([0.6, 0.5])):
        verb(GRAY, settings, MODEL, floor=floor)
    assert asked == [Floor(0.6, 0.5)] * 5
    verb(GRAY, settings, MODEL)
    assert asked[-1] is None
    with pytest.raises(SettingsError, match="floor must be 2 numbers"):
        verb(GRAY, settings, MODEL, floor=0.6)
