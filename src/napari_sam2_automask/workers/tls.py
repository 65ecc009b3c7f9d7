"""Whom a Dask scheduler's address lets in: everybody who reaches its port, or who has a certificate."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from napari_sam2_automask.errors import SettingsError

__all__ = ["TlsFiles", "check_address", "open_to_others"]

# Protocols of Dask that ask for a certificate.
_PROTECTED = ("tls", "wss")


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
        If it is none, if a ``tls://`` address comes without all three files or files without such an address,
        or if they cannot be used.
    """
    protocol, host = _protocol_and_host(address)
    if not host:
        raise SettingsError(f"{address!r} is no address of a scheduler: give one such as tls://10.0.0.1:8786")
    if protocol not in _PROTECTED:
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
        context.load_cert_chain(tls.cert, tls.key)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{', '.join(tls)} cannot be used for TLS ({error}): give PEM files of an authority, a "
            "certificate and its key"
        ) from error


def open_to_others(address: str) -> str:
    """Return a warning if everybody who reaches a scheduler on another machine can use it, else nothing."""
    protocol, host = _protocol_and_host(address)
    if protocol in _PROTECTED or host == "localhost":
        return ""
    try:
        if ip_address(host).is_loopback:
            return ""
    except ValueError:
        pass
    return (
        f"{address} is not protected: everybody who can reach that port can run code on the scheduler and "
        "its workers; tls:// lets in those with a certificate only"
    )


def _protocol_and_host(address: str) -> tuple[str, str]:
    """Return the protocol, tcp if none is named, and the host, empty if it cannot be told."""
    protocol, separator, rest = address.partition("://")
    try:
        parts = urlsplit(f"//{rest if separator else address}")
        return (protocol.lower() if separator else "tcp"), (parts.hostname or "" if parts.port else "")
    except ValueError:
        return "", ""
