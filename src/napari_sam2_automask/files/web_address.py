"""Web addresses that a person gave: no text in a file ever becomes one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from napari_sam2_automask.errors import ImageError

__all__ = ["Address", "given_path", "is_web", "web_address"]

_SCHEMES = ("http", "https")

if TYPE_CHECKING:
    _Path = Path
else:
    _Path = type(Path())


class Address(_Path):
    """The address of an OME-Zarr, made by `web_address`; a path, so that it goes wherever paths of images go.

    No file is at it: what looks for one finds nothing.
    """

    def __str__(self) -> str:
        return f"{self.parts[0]}//{'/'.join(self.parts[1:])}"

    def __repr__(self) -> str:
        return f"Address({str(self)!r})"

    def absolute(self) -> Address:
        """Return itself."""
        return self

    def resolve(self, strict: bool = False) -> Address:
        """Return itself."""
        return self


def web_address(text: str) -> Address:
    """Return the web address of an OME-Zarr, to be given wherever the path of an image is.

    Parameters
    ----------
    text : str
        ``http://`` or ``https://``, a host, and a path. Give only what a person gave: whoever opens it asks
        that host.

    Raises
    ------
    ImageError
        If it is none, or has a name and password, a query or a fragment.
    """
    try:
        told = urlsplit(text)
        fits = told.scheme.lower() in _SCHEMES and bool(told.hostname) and text.isprintable()
        told.port  # noqa: B018 - says whether it is a number
    except ValueError:
        fits = False
    if not fits or " " in text:
        raise ImageError(f"{text[:200]!r} is no web address: give one such as https://host/cells.ome.zarr")
    if told.username is not None or told.query or told.fragment:
        raise ImageError(
            f"the address of an OME-Zarr has no password, ? or #: give one such as https://{told.hostname}/a.zarr"
        )
    steps = [step for step in told.path.split("/") if step]
    if ".." in steps or "." in steps:
        raise ImageError(f"{text[:200]} has steps of dots: give the address without")
    return Address(f"{told.scheme.lower()}:", told.netloc, *steps)


def is_web(text: str) -> bool:
    """Tell whether a text begins like a web address."""
    return text.lower().startswith(tuple(f"{scheme}://" for scheme in _SCHEMES))


def given_path(given: str | Path) -> Path:
    """Return the path, or the web address, that a person gave."""
    if isinstance(given, str) and is_web(given):
        return web_address(given)
    return given if isinstance(given, Address) else Path(given)
