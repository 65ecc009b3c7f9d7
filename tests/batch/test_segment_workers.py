"""Folders and stacks on workers: the same results, what is lost, what fails, what is stopped."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from dask_cluster import tls_cluster
from many_run import CheapTask
from open_sockets import family, open_sockets
from typer.testing import CliRunner

from napari_sam2_automask.batch.finding import find_images
from napari_sam2_automask.batch.job_task import JobTask
from napari_sam2_automask.batch.planning import Wanted, plan
from napari_sam2_automask.batch.running import run as run_all
from napari_sam2_automask.cli.commands import app
from napari_sam2_automask.errors import ModelError, OutputError, SettingsError
from napari_sam2_automask.settings.along import Along
from napari_sam2_automask.settings.presets import PRESETS
from napari_sam2_automask.workers.dask_executor import DaskExecutor
from napari_sam2_automask.workers.executor import Serial
from napari_sam2_automask.workers.process_executor import ProcessExecutor


@pytest.fixture(scope="module")
def processes():
    with ProcessExecutor(2) as executor:
        yield executor


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with tls_cluster(tmp_path_factory.mktemp("tls")) as cluster:
        yield cluster


@pytest.fixture
def dask(cluster):
    # Workers that the test before has killed are started again, which takes a while on a busy machine.
    client, _ = cluster
    client.wait_for_workers(2, timeout=120)
    return DaskExecutor(client)


@pytest.fixture(params=["processes", "dask"])
def executor(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def folder(tmp_path):
    """Write images of which each holds its number, and a bad one."""
    folder = tmp_path / "in"
    folder.mkdir()
    for k in range(12):
        tifffile.imwrite(folder / f"{k:02}.tif", np.full((12, 16), k, np.uint8))
    (folder / "bad.png").write_text("hello")
    return folder


def run(folder, out, executor, **options):
    planned = plan(find_images([folder])[0], out)
    return list(run_all(planned.stacks, CheapTask(PRESETS["balanced"], **options), executor))


def of_kind(results, status):
    return sorted(r.source.name for r in results if r.status == status)


def same_files(first, second):
    """Compare two folders of results; only the moments at which they were made may differ."""
    names = sorted(path.name for path in first.iterdir())
    assert names == sorted(path.name for path in second.iterdir())
    for name in names:
        a, b = (folder / name for folder in (first, second))
        if name.endswith(".json"):
            assert _timeless(json.loads(a.read_text())) == _timeless(json.loads(b.read_text()))
        else:
            assert a.read_bytes() == b.read_bytes()


def _timeless(value):
    if isinstance(value, dict):
        return {k: _timeless(v) for k, v in value.items() if k not in ("time", "date_created")}
    return [_timeless(v) for v in value] if isinstance(value, list) else value


def test_workers_share_the_files_and_give_the_same_results(executor, folder, tmp_path):
    log = tmp_path / "log"
    results = run(folder, tmp_path / "a", executor, log=str(log))
    alone = run(folder, tmp_path / "b", Serial())
    same_files(tmp_path / "a", tmp_path / "b")
    begun = [line.split() for line in log.read_text().splitlines()]
    assert sorted(name for name, _ in begun) == [f"{k:02}.tif" for k in range(12)]
    assert len({pid for _, pid in begun}) == 2
    told = [sorted((r.source, r.status, r.objects, r.message) for r in rs) for rs in (results, alone)]
    assert told[0] == told[1]
    assert of_kind(results, "failed") == ["bad.png"]


def test_what_is_there_is_skipped_and_what_changed_is_named(processes, folder, tmp_path):
    run(folder, tmp_path / "out", processes)
    tifffile.imwrite(folder / "03.tif", np.full((12, 16), 9, np.uint8))
    again = run(folder, tmp_path / "out", processes)
    assert of_kind(again, "failed") == ["03.tif", "bad.png"] and len(of_kind(again, "skipped")) == 11
    assert any("older version of 03.tif" in r.message for r in again)
    forced = run(folder, tmp_path / "out", processes, overwrite=True)
    assert len(of_kind(forced, "done")) == 12


def test_a_killed_worker_costs_its_file_only(processes, folder, tmp_path):
    log, once = tmp_path / "log", tmp_path / "died"
    results = run(folder, tmp_path / "out", processes, log=str(log), die_at=5, die_once=str(once))
    assert once.exists() and of_kind(results, "failed") == ["bad.png"]
    assert len(list((tmp_path / "out").glob("[!.]*.labels.tif"))) == 12
    # Begun twice: what the dead one was doing, and at most one more that it had done without saying so.
    assert len(log.read_text().splitlines()) == 13
    assert len(of_kind(results, "done")) >= 11


def test_a_file_that_kills_every_worker_is_reported_and_no_other(executor, folder, tmp_path):
    results = run(folder, tmp_path / "out", executor, die_at=5)
    assert of_kind(results, "failed") == ["05.tif", "bad.png"]
    (message,) = [r.message for r in results if r.source.name == "05.tif"]
    assert "the workers that tried it died" in message and "\n" not in message


def test_few_files_are_handed_over_ahead_of_need(processes, tmp_path):
    (tmp_path / "in").mkdir()
    for k in range(60):
        tifffile.imwrite(tmp_path / "in" / f"{k:02}.tif", np.full((12, 16), 1, np.uint8))
    taken = []

    class Counted(list):
        def __iter__(self):
            for k in range(len(self)):
                taken.append(k)
                yield self[k]

    work = Counted(plan(find_images([tmp_path / "in"])[0], tmp_path / "out").stacks)
    found = run_all(work, CheapTask(PRESETS["balanced"]), processes)
    for number in range(1, 60):
        next(found)
        assert len(taken) <= number + 10
    assert len(taken) == 60
    found.close()


def test_what_is_under_way_stops_when_nobody_wants_it(executor, folder, tmp_path):
    log = tmp_path / "log"
    planned = plan(find_images([folder])[0], tmp_path / "out")
    task = CheapTask(PRESETS["balanced"], log=str(log), wait_at=4)
    with contextlib.closing(run_all(planned.stacks, task, executor)) as found:
        while not (log.exists() and "04.tif" in log.read_text()):
            next(found)
    deadline = time.monotonic() + 25
    while "04.tif stopped" not in log.read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "04.tif stopped" in log.read_text()
    assert not (tmp_path / "out" / "04.labels.tif").exists()


def test_planes_of_stacks_are_shared_and_linked(processes, tmp_path):
    pixels = np.stack([np.full((12, 16), 4 + k, np.uint8) for k in range(3)])
    for name, axes in (("a", "ZYX"), ("b", "ZYX"), ("c", "TYX")):
        tifffile.imwrite(tmp_path / f"{name}.tif", pixels, imagej=True, metadata={"axes": axes})
    sources = sorted(tmp_path.glob("*.tif"))
    outs = [tmp_path / "workers", tmp_path / "alone"]
    told = []
    for out, executor in zip(outs, (processes, Serial()), strict=True):
        wanted = Wanted(link=Along.z, size=(1, 1, 1, "um"), one_contrast=True)
        planned = plan(sources, out, wanted)
        assert list(planned.useless) == [tmp_path / "c.tif"]
        results = list(run_all(planned.stacks, CheapTask(PRESETS["balanced"]), executor))
        told.append(sorted((r.source.name, -1 if r.plane is None else r.plane, r.status) for r in results))
    assert told[0] == told[1] == [(n, k, "done") for n in ("a.tif", "b.tif") for k in (-1, 0, 1, 2)]
    same_files(*outs)
    assert tifffile.imread(outs[0] / "a_linked.labels.tif").shape == (3, 12, 16)


def test_what_every_file_would_meet_stops_the_run(executor, folder, tmp_path):
    (tmp_path / "out").write_text("a file where the folder should be")
    with pytest.raises(OutputError, match="cannot write"):
        run(folder, tmp_path / "out", executor)
    planned = plan(find_images([folder])[0], tmp_path / "other")
    task = JobTask(PRESETS["balanced"], model="no such model", device="cpu")
    with pytest.raises(ModelError, match="no such model"):
        list(run_all(planned.stacks, task, executor))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--workers", "0"], "must be 1 to"),
        (["--gpus"], "--scheduler"),
        (["--threads", "-1"], "must be 0 to"),
    ],
)
def test_what_cannot_be_done_is_said(folder, tmp_path, options, words):
    done = CliRunner().invoke(app, ["segment", str(folder), "--out", str(tmp_path / "out"), *options])
    assert isinstance(done.exception, SettingsError) and words in str(done.exception)
    assert not (tmp_path / "out").exists()


def blobs(folder, count):
    y, x = np.indices((90, 120))
    folder.mkdir()
    for k in range(count):
        pixels = np.exp(-((y - 20 - k) ** 2 + (x - 30) ** 2) / 60)
        tifffile.imwrite(folder / f"{k:02}.tif", (pixels * 4000).astype(np.uint16))


def arguments(folder, out, *more):
    given = [
        "segment",
        folder,
        "--out",
        out,
        "--device",
        "cpu",
        "--threads",
        1,
        "--points-per-side",
        3,
        *more,
    ]
    return list(map(str, given))


def test_the_model_on_a_scheduler_gives_the_same_files(cluster, tmp_path):
    import torch

    blobs(tmp_path / "in", 3)
    (tmp_path / "in" / "z.png").write_text("hello")
    threads = torch.get_num_threads()
    try:
        alone = CliRunner().invoke(app, arguments(tmp_path / "in", tmp_path / "a"))
    finally:
        torch.set_num_threads(threads)
    client, tls = cluster
    more = ["--scheduler", client.scheduler.address, "--summary", tmp_path / "summary.csv"]
    more += ["--tls-ca", tls.ca, "--tls-cert", tls.cert, "--tls-key", tls.key]
    shared = CliRunner().invoke(app, arguments(tmp_path / "in", tmp_path / "b", *more))
    assert alone.exit_code == shared.exit_code == 1
    assert "3 done, 0 skipped, 1 failed" in shared.output
    same_files(tmp_path / "a", tmp_path / "b")
    table = pd.read_csv(tmp_path / "summary.csv")
    assert [Path(name).name for name in table["image"]] == ["00.tif", "01.tif", "02.tif", "z.png"]
    assert table["status"].tolist() == ["done"] * 3 + ["failed"]


@pytest.mark.skipif(os.name != "posix", reason="signals are of POSIX systems")
def test_stopped_from_the_keyboard_what_is_done_is_kept(tmp_path):
    blobs(tmp_path / "in", 40)
    out, summary = tmp_path / "out", tmp_path / "summary.csv"
    more = ["--workers", 2, "--summary", summary]
    command = [sys.executable, "-m", "napari_sam2_automask.cli", *arguments(tmp_path / "in", out, *more)]
    # As a terminal does: the signal goes to the workers as well.
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 200
    while (
        len(list(out.glob("[!.]*.labels.tif"))) < 3 and process.poll() is None and time.monotonic() < deadline
    ):
        time.sleep(0.01)
    if sys.platform == "linux":
        pids = family(process.pid)
        assert len(pids) == 3 and not any(open_sockets(pid) for pid in pids)
    os.killpg(process.pid, signal.SIGINT)
    text, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error.strip() == "error: stopped from the keyboard: run the same command again to go on"
    table = pd.read_csv(summary)
    complete = {path.name.removesuffix(".labels.tif") for path in out.glob("[!.]*.labels.tif")}
    told = [Path(name).stem for name in table["image"]]
    assert told == sorted(told) and set(told) <= complete and len(complete) < 40
    assert f"{len(told)} done, 0 skipped, 0 failed" in text
    for stem in complete:
        record = json.loads((out / f"{stem}.record.json").read_text())
        assert record["objects"] == len(pd.read_csv(out / f"{stem}.table.csv"))
