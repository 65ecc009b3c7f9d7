"""Addresses of Dask schedulers: what is trusted, what is refused, what is warned of."""

from __future__ import annotations

import os
import sys

import pytest
from dask_cluster import make_tls_files, tls_cluster
from open_sockets import open_sockets
from typer.testing import CliRunner

from napari_sam2_automask.cli.commands import app
from napari_sam2_automask.errors import AutomaskError, SettingsError
from napari_sam2_automask.workers.clusters import connect, workers_of
from napari_sam2_automask.workers.tls import TlsFiles, check_address, open_to_others


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with tls_cluster(tmp_path_factory.mktemp("tls")) as (client, tls):
        yield client.scheduler.address, tls


def test_a_scheduler_can_be_reached_by_its_address(cluster):
    address, tls = cluster
    assert address.startswith("tls://")
    with connect(address, tls=tls) as client:
        assert client.submit(int, "7").result() == 7


def test_who_has_no_certificate_of_the_authority_is_not_let_in(cluster, tmp_path):
    stranger = make_tls_files(tmp_path)
    with pytest.raises(AutomaskError, match="no Dask scheduler answers"), connect(cluster[0], 2, stranger):
        pass


def test_a_cluster_without_gpus_cannot_give_any(cluster):
    with pytest.raises(AutomaskError, match="--resources GPU=1"), workers_of(1, cluster[0], True, cluster[1]):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="read from Linux' /proc")
def test_who_asks_a_scheduler_opens_no_port(cluster):
    before = open_sockets(os.getpid())  # the scheduler's own
    with workers_of(1, *cluster[:1], tls=cluster[1]) as executor:
        assert [outcome.value for outcome in executor.run(int, ["7"])] == [7]
        assert open_sockets(os.getpid()) == before


def test_an_address_without_a_scheduler_is_refused():
    pytest.importorskip("distributed")
    with pytest.raises(AutomaskError, match="no Dask scheduler answers"), connect("tcp://127.0.0.1:9", 0.5):
        pass


@pytest.mark.parametrize(
    "address",
    [
        "",
        "tcp://",
        "here",
        "tls://a",
        "tcp://a:99999",
        "tcp://[::1",
        "a:b",
        "/a",
        "http://a:1",
        "tcp://u:p@a:1",
    ],
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(SettingsError, match="no address of a scheduler"):
        check_address(address, TlsFiles())


def test_addresses_and_tls_files_fit_each_other(tmp_path):
    tls = make_tls_files(tmp_path)
    check_address("tls://10.0.0.1:8786", tls)
    check_address("10.0.0.1:8786", TlsFiles())
    for address, files, words in (
        ("tls://10.0.0.1:8786", TlsFiles(), "--tls-ca, --tls-cert and --tls-key"),
        ("tls://10.0.0.1:8786", tls._replace(key=""), "--tls-ca, --tls-cert and --tls-key"),
        ("tls://10.0.0.1:8786", tls._replace(ca=str(tmp_path)), f"{tmp_path} is no file"),
        ("tls://10.0.0.1:8786", tls._replace(cert=tls.key), "cannot be used for TLS"),
        ("tcp://10.0.0.1:8786", tls, "are for a tls:// address"),
    ):
        with pytest.raises(SettingsError, match=words) as refused:
            check_address(address, files)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "who"),
    [
        ("tcp://10.0.0.1:8786", "everybody who can reach that port"),
        ("node7:8786", "everybody who can reach that port"),
        ("tcp://[fe80::1]:8786", "everybody who can reach that port"),
        ("tls://10.0.0.1:8786", ""),
        ("tcp://127.0.0.1:8786", "all users of this machine"),
        ("tcp://[::1]:8786", "all users of this machine"),
        ("localhost:8786", "all users of this machine"),
    ],
)
def test_a_port_that_others_can_use_is_warned_of(address, who):
    told = open_to_others(address)
    assert told.startswith(f"{address} is not protected: {who} can run code") if who else told == ""


def test_the_command_line_warns_in_one_line(tmp_path):
    (tmp_path / "in").mkdir()
    asked = ["segment", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*asked, "--scheduler", "tcp://10.0.0.1:8786"])
    (line,) = [line for line in done.stderr.splitlines() if "warning" in line]
    assert line.startswith("warning: tcp://10.0.0.1:8786 is not protected")
    for more, words in (
        (["--tls-ca", "ca.pem"], "give the address of its --scheduler"),
        (["--scheduler", "tls://10.0.0.1:8786", "--tls-ca", "ca.pem"], "--tls-key"),
    ):
        done = CliRunner().invoke(app, [*asked, *more])
        assert isinstance(done.exception, SettingsError) and words in str(done.exception)


def test_without_distributed_the_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(AutomaskError, match=r"napari-sam2-automask\[distributed\]"),
        connect("tcp://127.0.0.1:9"),
    ):
        pass
    with workers_of(2) as executor:
        assert sorted(outcome.value for outcome in executor.run(int, ["7", "8"])) == [7, 8]
