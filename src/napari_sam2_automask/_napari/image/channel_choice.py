"""The choice of channels: this layer alone, all that show, or an axis of the layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from qtpy.QtWidgets import QComboBox, QSizePolicy

from napari_sam2_automask._napari.layers.channels_of_layers import (
    along_axis,
    channel_axes,
    from_layers,
    lie_together,
)
from napari_sam2_automask._napari.layers.plane_axes import is_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image

    from napari_sam2_automask._napari.layers.channels import How
    from napari_sam2_automask._napari.layers.image_source import ImageSource

__all__ = ["ChannelChoice"]

_WORDS = {"mix": "mixed in their colours", "pool": "masks pooled"}


class ChannelChoice(QComboBox):
    """A combo box; offers more than one thing only if there are channels."""

    def __init__(self) -> None:
        super().__init__()
        self.setToolTip(
            "Channels are image layers of one shape and place, or an axis of a layer. Mixed: the model sees "
            "one picture, the visible channels as the viewer shows them. Pooled: it sees each visible "
            "channel by itself, and what it found in any of them counts."
        )
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.addItem("This layer only", None)
        self._wanted: tuple[int | None, str] | None = None
        self.activated.connect(self._remember)

    @property
    def how(self) -> str:
        """``"mix"``, ``"pool"``, or empty for the layer by itself."""
        chosen = self._chosen()
        return chosen[1] if chosen else ""

    @property
    def axis(self) -> int | None:
        """The axis of the layer that is taken for channels, if one is."""
        chosen = self._chosen()
        return chosen[0] if chosen else None

    def offer(self, layer: Image | None, images: Sequence[Image]) -> None:
        """Offer what makes sense for a layer; what a person chose last is chosen wherever it makes sense."""
        choices: list[tuple[str, tuple[int | None, str] | None]] = [("This layer only", None)]
        if layer is not None:
            if any(one is not layer and not one.rgb and lie_together(one, layer) for one in images):
                choices.append((f"All visible, {_WORDS['mix']}", (None, "mix")))
                choices.append((f"Each visible by itself, {_WORDS['pool']}", (None, "pool")))
            for axis in channel_axes(layer):
                label = layer.axis_labels[axis]
                name = f"Axis {label if is_named(label) else axis}"
                choices += [(f"{name}: channels, {words}", (axis, how)) for how, words in _WORDS.items()]
        self.blockSignals(True)
        self.clear()
        for text, data in choices:
            self.addItem(text, data)
        found = [data for _, data in choices]
        self.setCurrentIndex(found.index(self._wanted) if self._wanted in found else 0)
        self.blockSignals(False)

    def apply(self, source: ImageSource, layer: Image, images: Sequence[Image]) -> ImageSource:
        """Return what is chosen of a layer; `ImageError` if its channels do not fit together."""
        chosen = self._chosen()
        if chosen is None:
            return source
        axis, how = chosen[0], cast("How", chosen[1])
        return from_layers(source, layer, images, how) if axis is None else along_axis(source, axis, how)

    def _remember(self, *_: Any) -> None:
        self._wanted = self._chosen()

    def _chosen(self) -> tuple[int | None, str] | None:
        data: Any = self.currentData()
        return None if data is None else (data[0], str(data[1]))
