"""Reading a web address on a thread of its own, so that whoever waits for it can cancel at once."""

from __future__ import annotations

import queue
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["Answer", "BrokenConnection", "open_url"]

_POLL = 0.1
"""Seconds between two looks at the caller's wish while the network is silent."""
_TIMEOUT = 15.0
"""Seconds of silence after which a connection counts as broken."""

_Item: TypeAlias = "Answer | bytes | Exception | None"


class BrokenConnection(Exception):
    """The network failed in the middle, or was not there at all."""


@dataclass
class Answer:
    """What a server said.

    Attributes
    ----------
    status : int
        HTTP status, after redirects.
    headers : mapping
        Header names are in lower case.
    body : iterator of bytes
        The body as it comes in; raises `BrokenConnection`.
    """

    status: int
    headers: Mapping[str, str]
    body: Iterator[bytes] = field(default_factory=lambda: iter(()))


@contextmanager
def open_url(url: str, first_byte: int, tick: Callable[[], None]) -> Iterator[Answer]:
    """Ask for a file from some byte on, through the session of huggingface_hub.

    That session knows the person's proxy and certificates and obeys ``HF_HUB_OFFLINE``. It is asked for by
    a thread, because a read that waits for a silent server cannot be interrupted.

    Parameters
    ----------
    url : str
        The address.
    first_byte : int
        Where to start; the server is free to start at 0 instead.
    tick : callable
        Called at least every 0.1 s while waiting; whatever it raises ends the transfer.

    Yields
    ------
    Answer
        Status, headers and body.

    Raises
    ------
    BrokenConnection
        If the server cannot be reached.
    """
    inbox: queue.Queue[_Item] = queue.Queue(maxsize=32)
    left = threading.Event()
    reader = threading.Thread(
        target=_read, args=(url, first_byte, inbox, left), name="model download", daemon=True
    )
    reader.start()
    try:
        answer = _next(inbox, tick)
        assert isinstance(answer, Answer)
        answer.body = _body(inbox, tick)
        yield answer
    finally:
        left.set()


def _body(inbox: queue.Queue[_Item], tick: Callable[[], None]) -> Iterator[bytes]:
    while (item := _next(inbox, tick)) is not None:
        assert isinstance(item, bytes)
        yield item


def _next(inbox: queue.Queue[_Item], tick: Callable[[], None]) -> Answer | bytes | None:
    while True:
        tick()
        try:
            item = inbox.get(timeout=_POLL)
        except queue.Empty:
            continue
        if isinstance(item, Exception):
            raise BrokenConnection(str(item) or type(item).__name__) from item
        return item


def _read(url: str, first_byte: int, inbox: queue.Queue[_Item], left: threading.Event) -> None:
    """Put the answer, then its body, then None into the inbox; or what went wrong."""

    def put(item: _Item) -> None:
        while not left.is_set():
            try:
                return inbox.put(item, timeout=_POLL)
            except queue.Full:
                continue

    try:
        with _request(url, first_byte) as response:
            put(Answer(response.status_code, {k.lower(): v for k, v in response.headers.items()}))
            for chunk in response.iter_raw():
                if left.is_set():
                    return
                put(chunk)
        put(None)
    except Exception as error:  # of the network, whose classes differ between versions of the hub's client
        put(error)


def _request(url: str, first_byte: int) -> Any:
    from huggingface_hub import get_session

    # No token: the files are public, and a token that has run out would be refused. No compression: we
    # want the bytes of the file, from any offset.
    headers = {"User-Agent": "napari-sam2-automask", "Accept-Encoding": "identity"}
    if first_byte:
        headers["Range"] = f"bytes={first_byte}-"
    return get_session().stream("GET", url, headers=headers, timeout=_TIMEOUT, follow_redirects=True)
