"""Whom a Dask scheduler's address lets in: everybody who reaches its port, or who has a certificate."""

from __future__ import annotations

import re
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from napari_sam2_automask.errors import SettingsError

__all__ = ["TlsFiles", "check_address", "open_to_others"]

_ADDRESS = re.compile(r"(?:(tcp|tls)://)?(\[[0-9a-fA-F:.]+\]|[\w.-]+):([0-9]{1,5})")


class TlsFiles(NamedTuple):
    """Paths of the PEM files by which a cluster knows its members; empty without TLS.

    Attributes
    ----------
    ca : str
        The certificates of the authority that signed those of scheduler, workers and clients.
    cert, key : str
        The certificate of this client, and its private key.
    """

    ca: str = ""
    cert: str = ""
    key: str = ""


def check_address(address: str, tls: TlsFiles) -> None:
    """Refuse an address of a scheduler that does not fit the TLS files.

    Raises
    ------
    SettingsError
        If it is none that begins with ``tcp://`` or ``tls://``, if a ``tls://`` address comes without all
        three files or files without such an address, or if they cannot be used.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None or not 0 < int(found[3]) < 1 << 16:
        raise SettingsError(f"{address!r} is no address of a scheduler: give one such as tls://10.0.0.1:8786")
    if found[1] != "tls":
        if any(tls):
            raise SettingsError(f"the TLS files are for a tls:// address, {address} is none: leave them out")
        return
    if not all(tls):
        raise SettingsError(f"{address} needs three TLS files: give --tls-ca, --tls-cert and --tls-key")
    for path in tls:
        if not Path(path).is_file():
            raise SettingsError(f"{path} is no file: give the TLS file's path")
    import ssl

    try:
        context = ssl.create_default_context(cafile=tls.ca)
        # Asks nobody for a password: no terminal may be there.
        context.load_cert_chain(tls.cert, tls.key, password="")
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{', '.join(tls)} cannot be used for TLS ({error}): give PEM files of an authority, a "
            "certificate and its key"
        ) from error


def open_to_others(address: str) -> str:
    """Return a warning if everybody who reaches a scheduler can use it, else nothing."""
    found = _ADDRESS.fullmatch(address)
    if found is None or found[1] == "tls":
        return ""
    here = found[2] == "localhost"
    with suppress(ValueError):
        here = here or ip_address(found[2].strip("[]")).is_loopback
    who = "all users of this machine" if here else "everybody who can reach that port"
    return (
        f"{address} is not protected: {who} can run code on the scheduler and its workers; tls:// lets in "
        "those with a certificate only"
    )
