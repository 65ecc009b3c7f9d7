"""OME-XML: which images there are, and which plane lies in which file of those that are really there."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.ome_files import OmeFiles, Reference, beside

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["OmeImage", "OmeSet", "read_set"]

_MOST_PLANES = 2**22
_LARGEST_XML = 2**28


@dataclass(frozen=True, slots=True)
class OmeImage:
    """An image of which OME-XML tells.

    Attributes
    ----------
    name : str
        What it is called.
    pixels : mapping of str to str
        The attributes of its ``Pixels``: sizes, and how large a pixel is.
    place : mapping of str to str
        The attributes of its first ``Plane`` along Z, C and T: where it lies.
    channels : tuple of str
        What its channels are called; empty names where it does not tell.
    missing : list of (int, int, str)
        The first plane, how many (0 if that is not told), and the name of the file, for files that are not
        there. Planes are counted over all axes but Y and X, in their order.
    """

    name: str
    pixels: Mapping[str, str]
    place: Mapping[str, str]
    channels: tuple[str, ...] = ()
    missing: list[tuple[int, int, str]] = field(default_factory=list)

    @property
    def axes(self) -> str:
        """The axes in the order in which planes are counted."""
        return self.pixels["DimensionOrder"][::-1]

    def file_of(self, plane: int) -> str:
        """Return the name of the missing file that holds a plane; empty if none is said to."""
        fitting = [one for one in self.missing if one[0] <= plane and (not one[1] or plane < one[0] + one[1])]
        return max(fitting, default=(0, 0, ""))[2]


@dataclass(frozen=True, slots=True)
class OmeSet:
    """What is there of an OME-TIFF and the files that belong to it.

    Attributes
    ----------
    xml : str
        OME-XML that speaks of files and planes that are there and of no others, in which each image is called
        by its number.
    images : list of OmeImage
        All images, by that number.
    paths : set of Path
        The files.
    """

    xml: str
    images: list[OmeImage]
    paths: set[Path]


def read_set(path: Path, xml: str) -> OmeSet:
    """Find out what is there of what the OME-XML of a file tells.

    Parameters
    ----------
    path : Path
        The file.
    xml : str
        Its OME-XML, or no more than where that lies (``BinaryOnly``).

    Raises
    ------
    ImageError
        If it tells of more planes than any file can hold.
    ParseError, LookupError, ValueError
        If it is damaged.
    """
    own = root = ElementTree.fromstring(xml)
    binary = next(_named(root, "BinaryOnly"), None)
    if binary is not None:
        root = _companion(path, binary)
    every = [(image, pixels) for image in _named(root, "Image") for pixels in _named(image, "Pixels")]
    references = {_reference(data) for _, pixels in every for data in _named(pixels, "TiffData")}
    files = OmeFiles(path, own.get("UUID", ""), (one for one in references if one is not None))
    images = []
    for number, (image, pixels) in enumerate(every):
        channels = tuple(channel.get("Name", "") for channel in _named(pixels, "Channel"))
        one = OmeImage(image.get("Name", ""), dict(pixels.attrib), _first_plane(pixels), channels)
        _keep_what_is_there(one, pixels, path, files)
        # tifffile tells no more of an image than its name.
        image.set("Name", str(number))
        images.append(one)
    root.attrib.pop("UUID", None)
    return OmeSet(ElementTree.tostring(root, encoding="unicode"), images, files.paths)


def _named(element: Any, name: str) -> Iterator[Any]:
    return (one for one in list(element) if one.tag.rpartition("}")[2] == name)


def _first_plane(pixels: Any) -> dict[str, str]:
    """Return the attributes of the first Plane by its numbers, whatever their order in the file.

    Where a later section lies says nothing of the first one.
    """

    def number(plane: Any, axis: str) -> int:
        text = plane.get(f"The{axis}", "0")
        return int(text) if text.isdecimal() else _MOST_PLANES

    planes = list(_named(pixels, "Plane"))
    first = min(planes, key=lambda plane: [number(plane, axis) for axis in "ZTC"], default=None)
    if first is None:
        return {}
    later = number(first, "Z") > 0
    return {name: text for name, text in first.attrib.items() if not (later and name == "PositionZ")}


def _reference(data: Any) -> Reference | None:
    """Return of which file a TiffData speaks; None for the one in which it stands."""
    uuid = next(_named(data, "UUID"), None)
    return None if uuid is None else ((uuid.text or "").strip(), uuid.get("FileName", ""))


def _companion(path: Path, binary: Any) -> Any:
    """Return the root of the OME-XML that lies in another file.

    Raises
    ------
    LookupError
        If it is not there or another's.
    """
    name = binary.get("MetadataFile", "")
    other = beside(path, name)
    if other is None or other.stat().st_size > _LARGEST_XML:
        raise LookupError(name)
    with other.open("rb") as file:
        is_xml = file.read(256).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
    if is_xml:
        root = ElementTree.fromstring(other.read_bytes())
    else:
        import tifffile

        with tifffile.TiffFile(other) as tiff:
            root = ElementTree.fromstring(tiff.ome_metadata or "")
        _refer_to_itself(root, other.name)
    told = binary.get("UUID")
    if told and root.get("UUID", told) != told:
        raise LookupError(name)
    return root


def _refer_to_itself(root: Any, name: str) -> None:
    """Let the OME-XML of a file name that file where it names none."""
    for image in _named(root, "Image"):
        for pixels in _named(image, "Pixels"):
            for data in _named(pixels, "TiffData"):
                if _reference(data) is None:
                    tag = data.tag.replace("TiffData", "UUID")
                    uuid = ElementTree.SubElement(data, tag, {"FileName": name})
                    uuid.text = root.get("UUID")


def _keep_what_is_there(image: OmeImage, pixels: Any, path: Path, files: OmeFiles) -> None:
    """Leave those of an image's TiffData that name a file and pages that there may be."""
    order = image.axes[:-2]
    shape = [int(image.pixels[f"Size{axis}"]) for axis in order]
    channel = next(_named(pixels, "Channel"), None)
    samples = 1 if channel is None else int(channel.get("SamplesPerPixel", 1))
    if "C" in order:
        shape[order.index("C")] //= max(1, samples)
    count = math.prod(shape)
    if count > _MOST_PLANES or min(shape, default=1) < 0:
        raise ImageError(f"{path} is said to have {count} planes, which no file can hold: replace it")
    for plane in _named(pixels, "Plane"):
        pixels.remove(plane)
    for data in _named(pixels, "TiffData"):
        first = [int(data.get(f"First{axis}", 0)) for axis in order]
        if not all(0 <= k < n for k, n in zip(first, shape, strict=True)) or int(data.get("IFD", 0)) < 0:
            pixels.remove(data)
            continue
        start = 0
        for k, n in zip(first, shape, strict=True):
            start = start * n + k
        planes = int(data.get("PlaneCount", data.get("NumPlanes", 1 if "IFD" in data.attrib else 0)))
        planes = min(max(0, planes), count - start)
        if planes:
            data.set("PlaneCount", str(planes))
        if not _refer(data, path, files):
            reference = _reference(data)
            image.missing.append((start, planes, reference[1] if reference else ""))
            pixels.remove(data)


def _refer(data: Any, path: Path, files: OmeFiles) -> bool:
    """Let a TiffData name the file that is meant; return whether it is there."""
    reference = _reference(data)
    found = path if reference is None else files[reference]
    if found is None:
        return False
    for uuid in list(_named(data, "UUID")):
        if found == path or uuid is not next(_named(data, "UUID")):
            data.remove(uuid)
        else:
            uuid.text = uuid.attrib["FileName"] = str(found.absolute())
    return True
