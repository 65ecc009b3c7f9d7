"""The engine: image encoder, exact fast mask decoder, point grid and crops."""

from napari_sam2_automask.engine.proposing import propose

__all__ = ["propose"]
