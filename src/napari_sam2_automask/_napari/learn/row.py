"""One Labels layer in the list of those to learn from: whether it counts, its image, where it is complete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Shapes
from qtpy.QtWidgets import QCheckBox, QComboBox, QSizePolicy, QVBoxLayout, QWidget

from napari_sam2_automask._napari.common.layout import Signal, choice_form, choice_label
from napari_sam2_automask._napari.learn.examples import image_of, is_mended, is_result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image, Labels, Layer

__all__ = ["ExampleRow"]

ALL, SOME = "Every object", "Only some objects"


class ExampleRow(QWidget):
    """A check box with the layer's name, and below it, once it is checked, two choices.

    Parameters
    ----------
    labels : Labels
        The layer.

    Attributes
    ----------
    changed : Qt signal
        A person checked it or took the check away.
    """

    changed = Signal()

    def __init__(self, labels: Labels) -> None:
        super().__init__()
        self.labels = labels
        self._own_check = self._own_image = False
        # What a person paints is seldom all there is; a result that was mended is.
        self._complete: Shapes | bool = is_result(labels)
        self._images: list[Image] = []
        self._shapes: list[Shapes] = []
        self.check, self.image, self.complete = QCheckBox(), QComboBox(), QComboBox()
        self.check.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        for combo, name, tip in (
            (self.image, "Image of the labels", "The image that these are the labels of."),
            (
                self.complete,
                "Where labels are complete",
                "Whether unlabelled ground is background. Where only some objects are labelled it says "
                "nothing; in the shapes of a Shapes layer it is background, outside them it says nothing.",
            ),
        ):
            combo.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            combo.setAccessibleName(name)
            combo.setToolTip(tip)
        self.choices = QWidget()
        form = choice_form(self.choices)
        form.setContentsMargins(18, 0, 0, 0)
        form.addRow(choice_label("Image"), self.image)
        form.addRow(choice_label("Labelled"), self.complete)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.check)
        layout.addWidget(self.choices)
        self.check.toggled.connect(self.choices.setVisible)
        self.check.clicked.connect(self._on_checked)
        self.image.activated.connect(self._on_image)
        self.complete.activated.connect(self._on_complete)
        self.choices.setVisible(False)

    @property
    def chosen_image(self) -> Image | None:
        """The image chosen; None if there is none."""
        index = self.image.currentIndex()
        return self._images[index] if 0 <= index < len(self._images) else None

    @property
    def chosen_complete(self) -> Shapes | bool:
        """Where every object is labelled: everywhere, nowhere, or in a layer's shapes."""
        return self._complete

    def offer(self, layers: Sequence[Layer], images: Sequence[Image]) -> None:
        """Offer images and shapes, the topmost first; what a person chose stays."""
        self.check.setText(self.labels.name)
        self.check.setToolTip(f"Learn from {self.labels.name!r}, on the plane that shows.")
        before, where = self.chosen_image, self._complete
        self._images = list(images)
        self.image.clear()
        self.image.addItems([image.name for image in images])
        kept = before if self._own_image and before in self._images else image_of(self.labels, images)
        self.image.setCurrentIndex(-1 if kept is None else self._images.index(kept))
        if not self._own_check:
            self.check.setChecked(kept is not None and is_mended(self.labels))
        self._shapes = [layer for layer in reversed(layers) if isinstance(layer, Shapes)]
        self.complete.clear()
        self.complete.addItems([ALL, SOME, *(f"Every one in {layer.name}" for layer in self._shapes)])
        if isinstance(where, Shapes) and where not in self._shapes:
            where = self._complete = False
        self.complete.setCurrentIndex(
            2 + self._shapes.index(where) if isinstance(where, Shapes) else int(not where)
        )

    def _on_checked(self) -> None:
        self._own_check = True
        self.changed.emit()

    def _on_image(self) -> None:
        self._own_image = True
        self.changed.emit()

    def _on_complete(self, index: int) -> None:
        self._complete = self._shapes[index - 2] if index > 1 else index == 0
