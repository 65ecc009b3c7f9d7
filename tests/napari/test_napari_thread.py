"""The inference thread, without Qt."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from napari_sam2_automask._napari.common.inference_thread import InferenceThread, torch_threads
from napari_sam2_automask.progress import Cancelled, Progress


@pytest.fixture
def thread():
    thread = InferenceThread()
    yield thread
    assert thread.stop(5)


def test_runs_come_one_after_the_other_on_one_thread(thread):
    names = []
    runs = [thread.submit(lambda progress, i=i: names.append(threading.get_ident()) or i) for i in range(5)]
    assert all(run.wait(5) for run in runs)
    assert [run.result() for run in runs] == list(range(5))
    assert len(set(names)) == 1
    assert names[0] != threading.get_ident()


@pytest.mark.parametrize(
    "error", [RuntimeError("out of memory"), ValueError("x"), KeyboardInterrupt(), SystemExit()]
)
def test_every_exception_is_reported_and_the_thread_lives(thread, error):
    def fail(progress):
        raise error

    run = thread.submit(fail)
    assert run.wait(5)
    with pytest.raises(type(error)):
        run.result()
    assert "fail" in run.traceback
    after = thread.submit(lambda progress: "alive")
    assert after.wait(5)
    assert after.result() == "alive"


def test_cancelling_a_run_that_waits_means_it_never_starts(thread):
    gate, started = threading.Event(), []
    first = thread.submit(lambda progress: gate.wait(5))
    second = thread.submit(lambda progress: started.append(1))
    second.cancel()
    gate.set()
    assert first.wait(5)
    assert second.wait(5)
    assert not started
    with pytest.raises(Cancelled):
        second.result()


def test_a_result_is_not_to_be_had_before_the_end(thread):
    gate = threading.Event()
    run = thread.submit(lambda progress: gate.wait(5))
    with pytest.raises(RuntimeError, match="not finished"):
        run.result()
    gate.set()
    assert run.wait(5)


def test_stop_cancels_and_joins():
    thread = InferenceThread()

    def endless(progress):
        while True:
            progress(Progress("points", 0, 1))
            time.sleep(0.001)

    runs = [thread.submit(endless) for _ in range(3)]
    assert thread.stop(5)
    assert all(run.finished for run in runs)


def test_the_process_ends_with_a_run_that_never_reports():
    code = (
        "import time\n"
        "from napari_sam2_automask._napari.common.inference_thread import inference_thread\n"
        "inference_thread().submit(lambda progress: time.sleep(60))\n"
        "time.sleep(0.1)\n"
    )
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], timeout=30, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert time.perf_counter() - started < 20  # not the 60 of the run


def test_the_thread_needs_neither_torch_nor_qt():
    code = (
        "import sys\n"
        "import napari_sam2_automask._napari.common.inference_thread\n"
        "import napari_sam2_automask._napari.run.progress_words\n"
        "print([name for name in ('torch', 'qtpy', 'napari') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], timeout=60, capture_output=True, check=True, text=True
    )
    assert done.stdout.strip() == "[]"


def test_one_core_is_left_to_the_viewer_where_threads_have_no_priorities(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    assert [torch_threads(cores) for cores in (1, 2, 8)] == [1, 1, 7]
    monkeypatch.setattr(sys, "platform", "linux")
    assert [torch_threads(cores) for cores in (1, 2, 8)] == [1, 2, 8]
