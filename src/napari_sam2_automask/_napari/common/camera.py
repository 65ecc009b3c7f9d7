"""The camera of a viewer, which moved within the viewer with napari 0.9."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.viewer import Viewer

__all__ = ["camera_of"]


def camera_of(viewer: Viewer) -> Any:
    """Return the camera: its `center` and `zoom`."""
    scene = getattr(viewer, "scene", None)
    return viewer.camera if scene is None else scene.camera
