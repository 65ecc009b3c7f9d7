"""OME-Zarrs in zip files and at web addresses as layers: behind File > Open and `napari https://...`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2_automask._napari.contributions.layer_scale import names_of_axes, place_in_layer
from napari_sam2_automask._napari.layers.file_of_layer import INSIDE_KEY
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.opening import images_in
from napari_sam2_automask.files.own_results import is_own_result
from napari_sam2_automask.files.pixel_size import scale_in_file
from napari_sam2_automask.files.series import images_in_zarr, name_of
from napari_sam2_automask.files.web_address import Address, given_path, is_web
from napari_sam2_automask.files.zarr_places import is_zipped_zarr

if TYPE_CHECKING:
    from collections.abc import Callable

    LayerData = tuple[Any, dict[str, Any], str]

__all__ = ["read_zarr"]

#: Most images of one file that get a layer each.
_MOST = 16


def read_zarr(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """Return what reads OME-Zarrs in zip files and at addresses that a person gave; else None."""
    paths = [path] if isinstance(path, str) else path
    if not paths or not all(_is_apt(one) for one in paths):
        return None
    return lambda given: [
        layer for one in ([given] if isinstance(given, str) else given) for layer in _layers(given_path(one))
    ]


def _is_apt(path: str) -> bool:
    at = path.rstrip("/").lower()
    return at.endswith(".zarr") if is_web(at) else is_zipped_zarr(Path(path))


def _layers(path: Path) -> list[LayerData]:
    """Return a layer for each image.

    Raises
    ------
    ImageError
        If there are more than anyone wants as layers.
    """
    images = images_in_zarr(path)
    if len(images) > _MOST:
        raise ImageError(
            f"{path} holds {len(images):,} images, too many for layers: unpack it and open those that you "
            "want, or segment all from the command line"
        )
    layers = [_layer(image) for image in images]
    for image, (_, about, _) in zip(images, layers, strict=True):
        if image != path:
            about["metadata"] = {INSIDE_KEY: "/".join(image.parts[len(path.parts) :])}
    return layers


def _layer(path: Path) -> LayerData:
    """Return one layer of all levels, which are read as they are looked at."""
    import dask.array as da

    (stored,) = images_in(path)
    load: Any = da.from_zarr
    levels = [load(stored.array(level)) for level in range(len(stored.shapes))]
    axes = stored.likely_axes
    about: dict[str, Any] = {"name": name_of(path), "multiscale": len(levels) > 1}
    channel = axes.find("C")
    spatial = axes.replace("C", "")
    about |= place_in_layer(scale_in_file(path), spatial)
    is_labels = not isinstance(path, Address) and is_own_result(path)
    if channel >= 0 and not is_labels:
        about["channel_axis"] = channel
    else:
        about["axis_labels"] = names_of_axes(spatial)
    if channel >= 0 and len(stored.channels) == stored.shapes[0][channel]:
        about["name"] = list(stored.channels)
    return levels if len(levels) > 1 else levels[0], about, "labels" if is_labels else "image"
