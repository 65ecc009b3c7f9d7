"""An image unlike what the model knows is told beside its result, with what to do."""

from __future__ import annotations

from dataclasses import replace

from napari_kit import BlobSegmenter, live_result, run

from napari_sam2_automask._napari.run.unlike_hint import unlike_text
from napari_sam2_automask.painting.labels import paint
from napari_sam2_automask.selection.selecting import select


class Wandering(BlobSegmenter):
    """Gives candidates of a model whose cells disagree about centres by so much."""

    disagreement = 5.0

    def __call__(self, plane, request, progress):
        result = super().__call__(plane, request, progress)
        candidates = replace(result.live.candidates, disagreement=self.disagreement)
        painted = paint(select(candidates, request.settings), record={"settings": {}})
        return replace(result, record=painted.record)


def test_a_line_and_two_buttons_beside_the_result_of_such_an_image(make_napari_viewer, qtbot):
    segmenter = Wandering()
    widget, layer = live_result(make_napari_viewer(), qtbot, segmenter)
    hint = widget.unlike
    assert hint.isVisibleTo(widget)
    assert hint.message.text().startswith("This image is unlike what the model knows: look closely.")
    hint.learn.click()
    assert widget.learn.isExpanded()
    hint.other.click()
    assert widget.models.model == "sam2.1-tiny"
    widget.models.choose("bundled")
    segmenter.disagreement = 0.05
    widget._viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: not hint.isVisibleTo(widget))
    widget._viewer.layers.selection.active = widget._viewer.layers["cells"]
    run(qtbot, widget)
    assert not hint.isVisibleTo(widget)


def test_of_a_stack_it_is_told_how_many_planes_are_and_single_ones_are_not():
    planes = [{"unfamiliar": True}] * 2 + [{}] * 8
    assert unlike_text({"planes": planes}).startswith("2 of 10 planes are unlike what the model knows:")
    assert unlike_text({"planes": planes[1:]}) == ""
    assert unlike_text({}) == ""
