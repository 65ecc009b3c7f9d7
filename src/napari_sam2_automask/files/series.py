"""Zarrs that hold several images: plates, and the layout of bioformats2raw. What their images are called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam2_automask.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["images_in_zarr", "is_zarr", "name_of"]

_MARKS = ("zarr.json", ".zgroup", ".zarray", ".zattrs")


def is_zarr(path: Path) -> bool:
    """Tell whether a folder is a Zarr array or group."""
    return any((path / mark).is_file() for mark in _MARKS)


def images_in_zarr(path: Path) -> list[Path]:
    """Return the images of a Zarr: one, or the fields of a plate, or the series that bioformats2raw wrote.

    Parameters
    ----------
    path : Path
        A Zarr array, an OME-Zarr image, a well, a plate, or a group of images called 0, 1, 2 ...

    Raises
    ------
    ImageError
        If it holds none, or its description is damaged.
    """
    import zarr

    from napari_sam2_automask.files.zarr_store import open_zarr

    try:
        node = open_zarr(path)
        found = [path] if isinstance(node, zarr.Array) else _images_of(path, node)
    except ImageError:
        raise
    except Exception as error:  # zarr raises whatever it meets in a damaged store
        raise ImageError(f"{path} cannot be read: {error}") from error
    if not found:
        raise ImageError(f"{path} is a Zarr group without an OME-Zarr image; give the path of an array in it")
    return found


def _images_of(path: Path, group: Any) -> list[Path]:
    attributes = dict(group.attrs)
    attributes = attributes.get("ome", attributes)
    if "plate" in attributes:
        return [
            field for well in attributes["plate"]["wells"] for field in images_in_zarr(path / well["path"])
        ]
    if "well" in attributes:
        return [path / str(field["path"]) for field in attributes["well"]["images"]]
    if "multiscales" in attributes:
        return [path]
    numbers = sorted(int(name) for name, _ in group.groups() if name.isdecimal())
    return [
        path / str(n)
        for n in numbers
        if "multiscales" in dict(group[str(n)].attrs).get("ome", dict(group[str(n)].attrs))
    ]


def name_of(path: Path) -> str:
    """Return a name for the results of an image: of one inside a Zarr, with the Zarr's name before."""
    root = next((one for one in (path, *path.parents) if one.suffix.lower() == ".zarr"), None)
    if root is None:
        return path.name if path.is_dir() else path.stem
    stem = root.name.removesuffix(root.suffix)
    return "_".join([stem.removesuffix(".ome"), *path.relative_to(root).parts])
