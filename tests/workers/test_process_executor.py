"""Processes that are told by pipes: nobody else reaches them, and what dies, fails or hangs costs little."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from open_sockets import family, open_sockets
from small_tasks import Noted, notes

from napari_sam2_automask.errors import AutomaskError, OutputError
from napari_sam2_automask.workers import piped_worker
from napari_sam2_automask.workers.executor import ATTEMPTS, KILLED, Serial
from napari_sam2_automask.workers.process_executor import ProcessExecutor

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="read from Linux' /proc")
on_posix = pytest.mark.skipif(os.name != "posix", reason="signals are of POSIX systems")


@pytest.fixture(scope="module")
def executor():
    with ProcessExecutor(2) as executor:
        yield executor


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


def wait_for(log, *noted):
    deadline = time.monotonic() + 30
    while not any(note[: len(noted)] == noted for note in notes(log)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def told(outcomes):
    return sorted((o.index, o.done, o.value, [error.splitlines()[0] for error in o.errors]) for o in outcomes)


def test_outcomes_are_those_of_this_process(executor, log, tmp_path):
    work = [("square", k) for k in range(9)] + [("fail", 3), ("square", 9)]
    found = list(executor.run(Noted(str(log)), work))
    assert told(found) == told(Serial().run(Noted(str(tmp_path / "alone")), work))
    assert all("small_tasks.py" in error for o in found for error in o.errors)
    assert len({pid for *_, pid in notes(log)} - {os.getpid()}) == 2


def is_screen(pid):
    """Tell whether a process is the virtual screen of the tests."""
    return Path(f"/proc/{pid}/comm").read_text().strip() == "Xvfb"


@on_linux
def test_no_process_has_a_socket_that_others_could_connect_to(executor, log, tmp_path):
    pids = [pid for pid in family(os.getpid()) if not is_screen(pid)]
    mine = open_sockets(os.getpid())
    for outcome in executor.run(Noted(str(log)), [("square", k) for k in range(4)]):
        assert outcome.done
        assert open_sockets(os.getpid()) == mine
        assert [open_sockets(pid) for pid in pids if pid != os.getpid()] == [[]] * (len(pids) - 1)
    assert {pid for *_, pid in notes(log)} <= set(pids)
    # They would have been seen.
    with socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX) as local:
        local.bind(str(tmp_path / "socket"))
        local.listen()
        kinds = {protocol for protocol, _ in set(open_sockets(os.getpid())) - set(mine)}
        assert kinds == {"tcp", "unix"}


@on_posix
def test_a_process_that_dies_costs_what_it_was_doing(executor, log):
    work = [("square", k) for k in range(4)] + [("die_once", 7)] + [("square", k) for k in range(4, 8)]
    found = list(executor.run(Noted(str(log)), work))
    assert all(o.done for o in found) and len(found) == 9
    assert next(o.errors for o in found if o.index == ("die_once", 7))[0].startswith(f"{KILLED}: ")
    begun = [note[1:3] for note in notes(log) if note[0] == "begins"]
    assert len(begun) == 10 and begun.count(("die_once", 7)) == 2


@on_posix
def test_what_processes_die_of_is_tried_alone_at_last_and_set_aside(executor, log):
    found = told(executor.run(Noted(str(log)), [("die", 0), ("square", 1), ("die", 2), ("square", 3)]))
    assert [(index, done) for index, done, *_ in found] == [
        (("die", 0), False),
        (("die", 2), False),
        (("square", 1), True),
        (("square", 3), True),
    ]
    for _, done, _, errors in found:
        assert len(errors) == (0 if done else ATTEMPTS) and all(e.startswith(KILLED) for e in errors)
    begun = {n: [t for a, b, k, t, _ in notes(log) if (a, b, k) == ("begins", "die", n)] for n in (0, 2)}
    died = {n: [t for a, b, k, t, _ in notes(log) if (a, b, k) == ("dies", "die", n)] for n in (0, 2)}
    assert died[0][-1] < begun[2][-1] or died[2][-1] < begun[0][-1]


@pytest.mark.parametrize("kind", ["listen", "sleep"])
def test_what_is_under_way_is_over_within_a_second(executor, log, kind):
    found = executor.run(Noted(str(log)), [("square", 1), (kind, 2), (kind, 3), (kind, 4)])
    assert next(found).value == 1
    wait_for(log, "begins", kind, 2)
    wait_for(log, "begins", kind, 3)
    start = time.monotonic()
    found.close()
    assert time.monotonic() - start < 1.2
    assert [n[2] for n in notes(log) if n[0] == "stops"] in ([[2, 3], [3, 2]] if kind == "listen" else [[]])
    time.sleep(0.2)
    assert ("begins", kind, 4) not in [note[:3] for note in notes(log)]
    assert [o.value for o in executor.run(Noted(str(log)), [("square", 5)])] == [25]


def test_what_every_task_would_meet_is_raised(executor, log):
    with pytest.raises(OutputError, match=r"^5 cannot be written$"):
        list(executor.run(Noted(str(log)), [("fail_the_run", 5)] + [("square", k) for k in range(50)]))
    assert len(notes(log)) < 50


def test_indices_are_taken_as_they_are_needed(executor, log):
    taken = []
    found = executor.run(Noted(str(log)), (taken.append(k) or ("square", k) for k in range(30)))
    for number in range(1, 31):
        next(found)
        assert len(taken) <= number + 4
    assert len(taken) == 30 and list(found) == []


def test_an_error_of_the_indices_is_raised(executor, log):
    def indices():
        yield from (("square", k) for k in range(6))
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        list(executor.run(Noted(str(log)), indices()))
    assert [o.value for o in executor.run(Noted(str(log)), [("square", 5)])] == [25]


def test_what_tasks_print_and_read_is_not_taken_for_messages(executor, log):
    assert [o.value for o in executor.run(Noted(str(log)), [("talk", k) for k in range(4)])] == [""] * 4


def test_what_cannot_be_sent_back_is_said(executor, log):
    ((_, done, _, errors),) = told(executor.run(Noted(str(log)), [("lock", 1)]))
    assert not done and "pickle" in errors[0]


SCRIPT = """
from napari_sam2_automask.workers.process_executor import ProcessExecutor

print("this script runs", flush=True)

def double(number):
    return 2 * number

with ProcessExecutor(2) as executor:
    print(sorted(outcome.value for outcome in executor.run(double, range(5))))
"""


def test_a_script_is_not_run_again_and_its_functions_can_be_tasks(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py"], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines() == ["this script runs", "[0, 2, 4, 6, 8]"] and done.stderr == ""


def test_no_module_of_the_folder_is_taken_for_a_library(tmp_path, monkeypatch):
    # A folder of images may come from anybody.
    for name in ("json", "numpy", "cloudpickle", "pickle"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    with ProcessExecutor(1) as executor:
        assert [o.value for o in executor.run(int, ["7"])] == [7]
    assert not (tmp_path / "ran").exists()


LONG = """
import sys
sys.path.insert(0, sys.argv[1])
from small_tasks import Noted
from napari_sam2_automask.workers.process_executor import ProcessExecutor
with ProcessExecutor(2) as executor:
    list(executor.run(Noted(sys.argv[2]), [("sleep", 1), ("sleep", 2)]))
"""


@on_linux
def test_processes_end_with_the_one_that_was_killed(log):
    command = [sys.executable, "-c", LONG, Path(__file__).parents[1] / "kits", log]
    process = subprocess.Popen(command)
    wait_for(log, "begins", "sleep", 1)
    wait_for(log, "begins", "sleep", 2)
    pids = [pid for *_, pid in notes(log)]
    process.kill()
    process.wait()
    deadline = time.monotonic() + 5
    while any(_lives(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(_lives(pid) for pid in pids)


def _lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@on_posix
def test_ctrl_c_does_not_reach_them(executor, log):
    found = executor.run(Noted(str(log)), [("square", k) for k in range(6)])
    next(found)
    for pid in {pid for *_, pid in notes(log)}:
        os.kill(pid, signal.SIGINT)
    assert all(o.done and not o.errors for o in found)


def test_processes_that_cannot_come_up_are_said_in_a_line(monkeypatch, log):
    monkeypatch.setattr(piped_worker, "_START", "raise SystemExit(3)")
    with (
        ProcessExecutor(2) as executor,
        pytest.raises(AutomaskError, match=r"end as soon as they are started \(exit code 3\)") as error,
    ):
        list(executor.run(Noted(str(log)), [("square", 1)]))
    assert "\n" not in str(error.value)
    monkeypatch.setattr(sys, "executable", "/there/is/no/python")
    with pytest.raises(AutomaskError, match="no process can be started"), ProcessExecutor(2):
        pass
