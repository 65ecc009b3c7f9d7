"""Several channels of one field as one image: what they are, and what the model sees of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from napari_sam2_automask.image.view import image_hash

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam2_automask.image.channels import Look
    from napari_sam2_automask.record.entries import Channels as ChannelsOfRecord

    How = Literal["mix", "pool"]

__all__ = [
    "Channels",
]


@dataclass(frozen=True, eq=False)
class Channels:
    """What is on the last axis of an image's data, and what is done with it.

    Attributes
    ----------
    how : {"mix", "pool"}
        All mixed to one picture, or each by itself with the masks of all pooled.
    names : tuple of str
        The channels: the names of their layers, or ``c0``, ``c1`` and so on.
    looks : tuple of Look
        How the viewer shows them, the lowest first.
    keys : tuple of str
        What is the same as long as the channels are the same.
    axis : int or None
        The axis of the layer that holds the channels; None where each is a layer.
    letters : str
        With `axis`: a letter for each axis of the layer, as the command line takes them.
    paths : tuple of (str or None)
        Without: the files that the layers were read from.
    """

    how: How
    names: tuple[str, ...]
    looks: tuple[Look, ...]
    keys: tuple[str, ...]
    axis: int | None = None
    letters: str = ""
    paths: tuple[str | None, ...] = ()

    @property
    def title(self) -> str:
        """What was done, for names of results."""
        return f"{len(self.names)} channels {'mixed' if self.how == 'mix' else 'pooled'}"

    def looks_with(self, contrast: str) -> list[Look]:
        """Return the looks; without contrast limits if these are the percentiles of each plane."""
        return [
            look if contrast != "percentiles" else replace(look, contrast_limits=None) for look in self.looks
        ]

    def record(self, contrast: str, plane: NDArray[Any], path: str | None) -> ChannelsOfRecord:
        """Return what was done with which channels, so that it can be done again.

        Parameters
        ----------
        contrast : str
            The choice of contrast.
        plane : (Y, X, C) array
            The pixels that were segmented, of the first plane.
        path : str or None
            The file of the layer that holds the axis of channels.
        """
        from napari_sam2_automask.record.entries import Channels as ChannelsOfRecord

        paths = self.paths or (path,) * len(self.names)
        entries = [
            {
                "name": name,
                "path": file,
                "sha256": image_hash(plane[..., k]),
                # Channels of several types were put into one array of a type that holds all.
                "dtype": str(plane.dtype),
                "contrast_limits": look.contrast_limits,
                **(_mixed(look) if self.how == "mix" else {}),
            }
            for k, (name, file, look) in enumerate(
                zip(self.names, paths, self.looks_with(contrast), strict=True)
            )
        ]
        return ChannelsOfRecord.model_validate({"how": self.how, "axis": self.axis, "channels": entries})


def _mixed(look: Look) -> dict[str, Any]:
    """Return what of a look matters where channels are mixed."""
    return {"colours": look.colours, "gamma": look.gamma, "opacity": look.opacity, "blending": look.blending}
