"""OME-TIFF sets for tests: planes of one value each, in as many files as are wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tifffile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SHAPE = (20, 30)
_SCHEMA = 'xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'


def uuid(number: int) -> str:
    """Return a UUID."""
    return f"urn:uuid:11111111-1111-1111-1111-{number:012d}"


def ome_xml(
    references: Sequence[tuple[str, str, int]],
    own: str = "",
    sizes: str = 'SizeZ="1" SizeC="{count}" SizeT="1"',
    data: str = "",
    more: str = "",
) -> str:
    """Return the OME-XML of an image whose channels lie in files (UUID, name, page), or as `data` says."""
    told = "".join(
        f'<TiffData FirstC="{k}" FirstT="0" FirstZ="0" IFD="{page}" PlaneCount="1">'
        f'<UUID FileName="{name}">{one}</UUID></TiffData>'
        for k, (one, name, page) in enumerate(references)
    )
    sizes = sizes.format(count=len(references))
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><OME {_SCHEMA}{f" UUID={chr(34)}{own}{chr(34)}" * bool(own)}>'
        '<Image ID="Image:0" Name="cells"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" '
        f'SizeX="{SHAPE[1]}" SizeY="{SHAPE[0]}" {sizes} PhysicalSizeX="0.5" PhysicalSizeY="0.25">'
        f"{data or told}{more}</Pixels></Image></OME>"
    )


def binary_only(own: str, name: str, other: str) -> str:
    """Return OME-XML that says no more than where the OME-XML is."""
    return (
        f'<?xml version="1.0"?><OME {_SCHEMA} UUID="{own}">'
        f'<BinaryOnly MetadataFile="{name}" UUID="{other}"/></OME>'
    )


def write_planes(path: Path, values: Sequence[int], xml: str = "") -> Path:
    """Write a TIFF with a page of each value, the first described by `xml`."""
    with tifffile.TiffWriter(path) as file:
        for number, value in enumerate(values):
            described = xml.encode() if xml and not number else None
            file.write(np.full(SHAPE, value, np.uint8), description=described, metadata=None)
    return path


def write_set(folder: Path, count: int = 3) -> list[Path]:
    """Write a set of channels, the one with number k full of 10 + k, each in a file of its own."""
    references = [(uuid(k), f"c{k}.ome.tif", 0) for k in range(count)]
    return [
        write_planes(folder / name, [10 + k], ome_xml(references, own))
        for k, (own, name, _) in enumerate(references)
    ]
