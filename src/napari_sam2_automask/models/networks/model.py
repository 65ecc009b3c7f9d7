"""A model that is ready to run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch
    from sam2.modeling.sam2_base import SAM2Base

    from napari_sam2_automask.models.catalogue.card import Card
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["Family", "Model"]

Family: TypeAlias = Literal["bundled", "sam2"]


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A network with what a run needs to know about it. Made by `load_model`.

    Attributes
    ----------
    name : str
        ``"bundled"``, a name from the registry such as ``"sam2.1-tiny"``, the name of a user's file, or
        ``"custom"`` for a network that was handed over as an object.
    network : SAM2Base
        In evaluation mode, float32, on `device`.
    device : torch.device
        Where it runs.
    family : str
        ``"bundled"`` or ``"sam2"``: presets differ between them.
    sha256 : str or None
        Of the file that the weights came from; None for random weights and objects.
    config : str
        Name of the network's configuration, such as ``"sam2.1-base+"``.
    card : Card or None
        What a learned model says of itself.
    """

    name: str
    network: SAM2Base
    device: torch.device
    family: Family = "sam2"
    sha256: str | None = None
    config: str = "custom"
    card: Card | None = field(default=None, repr=False)

    @property
    def presets(self) -> Mapping[str, AmgSettings]:
        """Its own settings for coarse, balanced and fine; empty for models that were not learned."""
        return {} if self.card is None else dict(self.card.presets)

    @property
    def image_size(self) -> int:
        """Side of the square, in pixels, to which the network's input is resized."""
        return int(self.network.image_size)

    @property
    def feature_sizes(self) -> tuple[tuple[int, int], ...]:
        """Height and width of the image features, finest first.

        These are the predictor's ``_bb_feat_sizes``, which sam2 fixes to those of a 1024 pixel input.
        """
        embedding = self.image_size // int(self.network.backbone_stride)
        levels = range(int(self.network.num_feature_levels) - 1, -1, -1)
        return tuple((embedding << level, embedding << level) for level in levels)

    def description(self) -> dict[str, Any]:
        """Return what a record says about the model, fit for JSON."""
        from napari_sam2_automask.models.runtime.devices import describe_device

        return {
            "name": self.name,
            "family": self.family,
            "config": self.config,
            "sha256": self.sha256,
            "image_size": self.image_size,
            "device": str(self.device),
            "device_description": describe_device(self.device),
        }
