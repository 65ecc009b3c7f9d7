"""Which sockets of processes others could connect to; Linux only."""

from __future__ import annotations

import os
from pathlib import Path

_LISTENS = "0A"  # a TCP socket's state
_ACCEPTS = 0x10000  # a flag of Unix sockets


def family(pid):
    """Return the number of a process and of all that it has started, and these have."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def open_sockets(pid):
    """Return the protocol and address of each socket of a process that takes connections or packets."""
    held = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            name = os.readlink(link)
        except OSError:
            continue
        if name.startswith("socket:["):
            held.add(name[8:-1])
    return [(protocol, address) for protocol, address, inode in _listening(pid) if inode in held]


def _listening(pid):
    for protocol in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{protocol}").read_text().splitlines()[1:]:
            _, local, _, state, _, _, _, _, _, inode, *_ = line.split()
            if state == _LISTENS or protocol.startswith("udp"):
                yield protocol, local, inode
    for line in Path(f"/proc/{pid}/net/unix").read_text().splitlines()[1:]:
        _, _, _, flags, _, _, inode, *path = line.split()
        if int(flags, 16) & _ACCEPTS:
            yield "unix", " ".join(path), inode
