"""The files of a Zarr at a web address: few redirects, and not more bytes or time than a chunk may take."""

from __future__ import annotations

import http.client
import os
import time
from typing import TYPE_CHECKING, Any
from urllib import error, parse, request

from napari_sam2_automask import __version__
from napari_sam2_automask.errors import ImageError

if TYPE_CHECKING:
    from napari_sam2_automask.files.web_address import Address
    from napari_sam2_automask.files.zarr_parts import Part

__all__ = ["WebPlace"]

#: Redirects that are followed for a file.
_REDIRECTS = 5
#: Seconds of silence, and for a file in all, after which it is given up.
_SILENCE, _LONGEST = 15.0, 120.0
#: Servers tell so of what is not there; those of S3 say "forbidden" where nobody may list.
_ABSENT = (403, 404, 410)
_TRIES = 2
_STEP = 2**16


class _Redirects(request.HTTPRedirectHandler):
    max_redirections = max_repeats = _REDIRECTS

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """Follow to the web alone, and from a safe connection to a safe one."""
        schemes = ("https",) if req.type == "https" else ("http", "https")
        if parse.urlsplit(newurl).scheme not in schemes:
            raise ImageError(
                f"{req.full_url} leads to {newurl[:200]}, which is not followed: give that address"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> request.OpenerDirector:
    """Return what opens addresses of the web and nothing else, through the proxy that the system names."""
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler(),
        request.HTTPHandler(),
        request.HTTPSHandler(),
        request.HTTPDefaultErrorHandler(),
        request.HTTPErrorProcessor(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    opener.addheaders = [
        ("User-Agent", f"napari-sam2-automask/{__version__}"),
        ("Accept-Encoding", "identity"),
    ]
    return opener


class WebPlace:
    """The files below a web address.

    Parameters
    ----------
    path : Address
        Where the Zarr is.

    Raises
    ------
    ImageError
        If the network is not to be used.
    """

    def __init__(self, path: Address) -> None:
        if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
            raise ImageError(
                f"{path} is on the network, which is turned off: turn Offline off in the preferences"
            )
        self.path = path
        self._opener = _opener()

    def __reduce__(self) -> tuple[type[WebPlace], tuple[Address]]:
        return WebPlace, (self.path,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WebPlace) and self.path == other.path

    def __hash__(self) -> int:
        return hash(self.path)

    def keys(self) -> None:
        """Say that a server does not tell which files there are."""

    def read(self, key: str, part: Part | None, most: int) -> bytes | None:
        """Return a file's bytes, see `Place`."""
        address = f"{self.path}/{parse.quote(key)}"
        for left in reversed(range(_TRIES)):
            try:
                return self._read(address, part, most)
            except error.HTTPError as problem:
                with problem:
                    if problem.code in _ABSENT:
                        return None
                    told = f"the server answers {problem.code} {problem.reason}"
                    again = problem.code >= 500 or problem.code == 429
            except (OSError, http.client.HTTPException) as problem:
                reason = getattr(problem, "reason", problem)
                told, again = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__, True
            if not (again and left):
                break
        raise ImageError(f"cannot read {address} ({told}): check the address and the network")

    def _read(self, address: str, part: Part | None, most: int) -> bytes:
        asked = request.Request(address)
        if part is not None:
            last = "" if part.stop is None else part.stop - 1
            asked.add_header(
                "Range", f"bytes={part.start}" if part.start < 0 else f"bytes={part.start}-{last}"
            )
        end = time.monotonic() + _LONGEST
        with self._opener.open(asked, timeout=_SILENCE) as answer:
            whole = self._body(answer, address, most, end)
            if part is None or answer.status == 206:
                return whole
            return whole[slice(*part.of(len(whole)))]

    def _body(self, answer: Any, address: str, most: int, end: float) -> bytes:
        pieces, size = [], 0
        # What comes in is taken as it comes: a server that drips is noticed.
        while piece := answer.read1(_STEP):
            size += len(piece)
            if size > most:
                raise ImageError(
                    f"{address} has more than {most:,} bytes, far more than belongs there: it is damaged or "
                    "made to fill the memory"
                )
            if time.monotonic() > end:
                raise TimeoutError(f"it takes longer than {_LONGEST:g} s")
            pieces.append(piece)
        told = answer.headers.get("Content-Length")
        if told is not None and told.isdecimal() and int(told) != size:
            raise ConnectionError("the connection ended early")
        return b"".join(pieces)
