"""Learning of SAM 2.1 models: the mask decoder alone changes, on features that are computed once."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch
from learned_models import QUICK_PLAN, discs
from random_networks import small_network

from napari_sam2_automask import PRESETS, learn, save_model
from napari_sam2_automask.learning import Plan, decoder_trainer, learner
from napari_sam2_automask.learning.decoder_trainer import DecoderTrainer
from napari_sam2_automask.learning.fitting import Fitted
from napari_sam2_automask.learning.lessons import lessons_of
from napari_sam2_automask.models import build_official, load_model, own_path
from napari_sam2_automask.models.catalogue.identity import presets_of_model


@pytest.fixture(autouse=True)
def one_thread():
    """So small a network is quicker with one, all the more on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_the_decoder_learns_and_the_rest_stays(monkeypatch):
    encoded, losses = [], []
    encode, loss_of = decoder_trainer.encode, decoder_trainer.mask_loss

    def encode_once(*arguments):
        encoded.append(1)
        return encode(*arguments)

    def lose(*arguments):
        loss = loss_of(*arguments)
        losses.append(float(loss.mask.detach()))
        return loss

    monkeypatch.setattr(decoder_trainer, "encode", encode_once)
    monkeypatch.setattr(decoder_trainer, "mask_loss", lose)
    monkeypatch.setattr(decoder_trainer, "_WIDE", 16.0)  # one tile
    image, labels = discs()
    network = small_network(0, 128)
    before = deepcopy(network.state_dict())
    lessons = lessons_of([image], [labels], [True], [{1: 3.0}], ["discs"])
    one = DecoderTrainer(network, lessons, 1, Plan(prompts=6, checks=1, rate=1e-2, warm_up=1))
    assert 0 < one._score() < 1
    scores = iter([0.2, 0.9])  # the last step is the best
    monkeypatch.setattr(one, "_score", lambda: next(scores))
    one.train(10, lambda standing: None, lambda course: None)
    assert len(encoded) == 1
    assert np.mean(losses[-10:]) < 0.95 * np.mean(losses[:10])  # a point and a box loss in each step
    after = one.result()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed and all(name.startswith("sam_mask_decoder.") for name in changed)
    assert after.keys() == before.keys()


def test_such_a_model_is_a_file_like_the_others(tmp_path, monkeypatch):
    monkeypatch.setenv("SAM2_AUTOMASK_HOME", str(tmp_path))
    start = PRESETS["balanced"].for_model("sam2")
    monkeypatch.setattr(learner, "fit_settings", lambda *arguments: Fitted(start, None, None))
    # What is learned is tested above; here one step on features of the right shapes is enough.
    made = lambda network, view, tick: decoder_trainer.Features(  # noqa: E731
        torch.zeros(1, 256, 64, 64), (torch.zeros(1, 32, 256, 256), torch.zeros(1, 64, 128, 128))
    )
    monkeypatch.setattr(decoder_trainer, "encode", made)
    base = build_official("tiny")
    model = learn(*discs(), base=base, steps=1, plan=QUICK_PLAN, name="tuned")
    assert (model.family, model.config, model.card.config) == ("sam2", "sam2.1-tiny", "sam2.1-tiny")
    save_model(model, own_path("tuned"))
    again = load_model("tuned", device="cpu")
    assert (again.sha256, again.config) == (model.sha256, "sam2.1-tiny")
    known = presets_of_model("tuned", "bundled")
    assert (known.family, known.presets["balanced"]) == ("sam2", start)
    stem = "image_encoder.trunk.patch_embed.proj.weight"
    torch.testing.assert_close(
        again.network.state_dict()[stem], base.network.state_dict()[stem], rtol=1e-3, atol=1e-6
    )
