"""A Dask cluster of this machine, whose members know each other by certificates made for the test."""

from __future__ import annotations

import contextlib
import logging
import shutil
import subprocess

import pytest

from napari_sam2_automask.workers.clusters import connect
from napari_sam2_automask.workers.tls import TlsFiles


def make_tls_files(folder):
    """Return a certificate that is its own authority, and its key."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("certificates are made by openssl")
    cert, key = folder / "cert.pem", folder / "key.pem"
    wanted = ["-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test"]
    command = [program, "req", "-x509", *wanted, "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    return TlsFiles(str(cert), str(cert), str(key))


@contextlib.contextmanager
def tls_cluster(folder):
    """Start two workers; yield a client of theirs and the TLS files."""
    distributed = pytest.importorskip("distributed")
    tls = make_tls_files(folder)
    names = {
        f"tls_{role}_{kind}": getattr(tls, kind)
        for role in ("client", "scheduler", "worker")
        for kind in ("cert", "key")
    }
    cluster = distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        dashboard_address="127.0.0.1:0",  # without one its status is served on a port that is always the same
        silence_logs=logging.CRITICAL,
        protocol="tls://",
        security=distributed.Security(tls_ca_file=tls.ca, require_encryption=True, **names),
    )
    with cluster, connect(cluster.scheduler_address, tls=tls) as client:
        client.run_on_scheduler(_one_death)
        yield client, tls


def _one_death(dask_scheduler):
    # Or it gives a task to four workers before it says that they die of it.
    dask_scheduler.allowed_failures = 0
