"""Files that are whole or not there, and sets of files of which all are there or none."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from napari_sam2_automask.disk import atomic, leftovers
from napari_sam2_automask.disk.atomic import make_folder, write_all, write_one
from napari_sam2_automask.disk.leftovers import DAY, LEFTOVER, sweep
from napari_sam2_automask.errors import OutputError, OutputNameError
from napari_sam2_automask.files import write_files

NAMES = ("table", "record", "mark")


def writers(folder, text):
    return {folder / name: f"{text} {name}".encode() for name in NAMES}


def held(folder):
    """Return what lies in a folder: its files' texts by name, hidden ones too."""
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def whole(text):
    return {name: f"{text} {name}" for name in NAMES}


def full(file):
    file.write(b"half of ")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_one_file_from_bytes_and_from_what_writes_it(tmp_path):
    write_one(tmp_path / "a", b"first")
    write_one(tmp_path / "a", lambda file: file.write(b"second"), durable=False)
    write_one(tmp_path / "new" / "deep" / "b", b"third", parents=True)
    assert held(tmp_path) == {"a": "second"} and held(tmp_path / "new" / "deep") == {"b": "third"}
    if os.name == "posix":
        umask = os.umask(0)
        os.umask(umask)
        assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_folder_that_is_not_there_is_no_bad_name(tmp_path):
    with pytest.raises(OutputError, match=r"cannot write a \(No such file.*no") as caught:
        write_one(tmp_path / "no" / "a", b"")
    assert not isinstance(caught.value, OutputNameError)


def test_a_set_takes_the_place_of_another_and_what_is_stale_goes(tmp_path):
    (tmp_path / "levels").write_text("old")
    write_files(writers(tmp_path, "old"))
    assert held(tmp_path) == whole("old") | {"levels": "old"}
    write_all(writers(tmp_path, "new"), [tmp_path / "levels"])
    assert held(tmp_path) == whole("new")
    write_all(writers(tmp_path, "again"), [tmp_path / "levels"])  # none is there
    assert held(tmp_path) == whole("again")


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("failing", NAMES)
def test_a_full_disk_costs_nothing(tmp_path, old, failing):
    if old:
        write_all(writers(tmp_path, "old"))
    with pytest.raises(OutputError, match=rf"no space left for .*{failing}; .*free some space") as caught:
        write_all(writers(tmp_path, "new") | {tmp_path / failing: full})
    assert not isinstance(caught.value, OutputNameError)
    assert held(tmp_path) == (whole("old") if old else {})


@pytest.mark.parametrize("problem", [OSError(errno.EACCES, "Permission denied"), KeyboardInterrupt()])
@pytest.mark.parametrize("already", [(), ("table",), NAMES, (*NAMES, "levels")])
def test_each_rename_that_fails_is_taken_back(tmp_path, monkeypatch, already, problem):
    """Old files are whole again with their dates, new ones are gone, nothing is left aside."""
    replace = os.replace
    begun = time.time() - 9 * DAY
    for name in already:
        (tmp_path / name).write_text(f"old {name}")
        os.utime(tmp_path / name, (begun, begun))
    before = held(tmp_path)
    for failing in range(len(already) + len(NAMES)):
        steps = iter(range(failing))

        def step(old, new, steps=steps):
            if next(steps, None) is None:
                monkeypatch.setattr(os, "replace", replace)
                raise problem
            replace(old, new)

        monkeypatch.setattr(os, "replace", step)
        with pytest.raises((OutputNameError, KeyboardInterrupt)) as caught:
            write_all(writers(tmp_path, "new"), [tmp_path / "levels"])
        assert isinstance(caught.value, KeyboardInterrupt) or "close what has that name" in str(caught.value)
        assert held(tmp_path) == before
        assert all((tmp_path / name).stat().st_mtime == pytest.approx(begun) for name in already)
    write_all(writers(tmp_path, "new"), [tmp_path / "levels"])
    assert held(tmp_path) == whole("new")


def test_what_cannot_be_put_back_is_kept_aside_and_the_mark_with_it(tmp_path, monkeypatch):
    write_all(writers(tmp_path, "old"))
    replace, steps = os.replace, iter(range(4))

    def step(old, new):
        if next(steps, None) is None:
            raise OSError(errno.EIO, "Input/output error")
        replace(old, new)

    monkeypatch.setattr(os, "replace", step)
    with pytest.raises(OutputError, match=r"cannot write record \(.* could not be put back .*\.\*\.tmp"):
        write_all(writers(tmp_path, "new"))
    left = held(tmp_path)
    assert left.pop("table") == "new table" and "mark" not in left
    assert sorted(left.values()) == ["old mark", "old record", "old table"]
    assert all(LEFTOVER.fullmatch(name) for name in left)


KILLED = """
import os, sys
from pathlib import Path
from napari_sam2_automask.disk.atomic import write_all
folder, survive = Path(sys.argv[1]), int(sys.argv[2])
def stepping(act):
    def step(*args, **more):
        global survive
        survive -= 1
        if survive < 0:
            os._exit(9)
        return act(*args, **more)
    return step
for name in ("open", "fsync", "replace", "utime", "unlink"):
    setattr(os, name, stepping(getattr(os, name)))
names = ("table", "record", "mark")
write_all({folder / name: f"new {name}".encode() for name in names}, [folder / "levels"])
"""


def killed(folder, survive):
    """Write a set in a process that dies after so many steps; return whether it did."""
    command = [sys.executable, "-c", KILLED, str(folder), str(survive)]
    return subprocess.run(command, check=False).returncode == 9


@pytest.mark.parametrize("old", [True, False])
def test_killed_at_any_step_a_mark_is_never_beside_files_of_another_run(tmp_path, monkeypatch, old):
    monkeypatch.setattr(leftovers, "_swept", set())
    seen, survive, goes_on = set(), 0, True
    before = whole("old") | {"levels": "old levels"}
    while goes_on:
        folder = tmp_path / str(survive)
        folder.mkdir()
        if old:
            for name, text in before.items():
                (folder / name).write_text(text)
        goes_on = killed(folder, survive)
        left = held(folder)
        shown = {name: text for name, text in left.items() if not LEFTOVER.fullmatch(name)}
        state = "no mark" if "mark" not in shown else "new" if shown == whole("new") else "old"
        seen.add(state)
        assert state != "old" or shown == before
        if old:  # nothing of the old is lost before the new ones are all there
            assert state == "new" or sorted(before.values()) == sorted(
                text for text in left.values() if text.startswith("old")
            )
        write_all(writers(folder, "again"), [folder / "levels"])
        assert {n: t for n, t in held(folder).items() if not LEFTOVER.fullmatch(n)} == whole("again")
        late = time.time() + 2 * DAY
        monkeypatch.setattr(leftovers, "_swept", set())
        with monkeypatch.context() as patch:
            patch.setattr(time, "time", lambda late=late: late)
            write_one(folder / "other", b"")
        assert held(folder) == whole("again") | {"other": ""}
        survive += 1
    assert seen == ({"old", "no mark", "new"} if old else {"no mark", "new"})
    assert survive > 12


@pytest.mark.parametrize("stem", ["x" * 255, "細" * 85])
def test_a_name_as_long_as_the_disk_takes(tmp_path, stem):
    write_all({tmp_path / "a": b"1", tmp_path / stem: b"2"})
    write_all({tmp_path / "a": b"3", tmp_path / stem: b"4"})
    write_one(tmp_path / stem, b"5")
    assert held(tmp_path) == {"a": "3", stem: "5"}


def test_a_name_that_is_too_long_is_an_error_of_that_name(tmp_path):
    write_one(tmp_path / "a", b"1")
    with pytest.raises(OutputNameError, match=r"cannot write xxx.* \(.*too long: .*\): choose a shorter"):
        write_all({tmp_path / "a": b"2", tmp_path / ("x" * 256): b"2"})
    assert held(tmp_path) == {"a": "1"}
    with pytest.raises(OutputError) as caught:
        write_one(tmp_path / ("x" * 256) / "a", b"2")  # the folder's
    assert not isinstance(caught.value, OutputNameError)


def test_a_folder_in_the_way_stays_and_so_does_what_was_there(tmp_path):
    write_all(writers(tmp_path, "old"))
    (tmp_path / "table").unlink()
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "own").write_text("precious")
    for attempt in (writers(tmp_path, "new"), {tmp_path / "table": b""}):
        with pytest.raises(OutputNameError, match=r"cannot write table \(a folder has that name: "):
            write_all(attempt)
    with pytest.raises(OutputNameError):
        write_all({tmp_path / "a": b"", tmp_path / "b": b""}, [tmp_path / "table"])
    assert held(tmp_path) == {"record": "old record", "mark": "old mark"}
    assert (tmp_path / "table" / "own").read_text() == "precious"


def test_what_fails_in_cleaning_up_does_not_hide_the_error(tmp_path, monkeypatch):
    def unlink(path, missing_ok=False):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "unlink", unlink)
    with pytest.raises(OutputError, match="no space left"):
        write_all(writers(tmp_path, "new") | {tmp_path / "mark": full})


def test_an_error_of_another_kind_leaves_nothing_behind(tmp_path):
    def wrong(file):
        file.write(b"x")
        raise ValueError("no such column")

    write_one(tmp_path / "a", b"1")
    with pytest.raises(ValueError, match="no such column"):
        write_all({tmp_path / "a": b"2", tmp_path / "b": wrong})
    assert held(tmp_path) == {"a": "1"}


def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path):
    (tmp_path / "far").write_text("far")
    (tmp_path / "table").symlink_to(tmp_path / "far")
    write_all(writers(tmp_path, "new"))
    assert held(tmp_path) == whole("new") | {"far": "far"}
    assert not (tmp_path / "table").is_symlink()


def test_two_writers_at_once_leave_the_files_of_one(tmp_path):
    problems = []

    def write(text):
        try:
            for _ in range(60):
                write_all(writers(tmp_path, text), durable=False)
        except Exception as problem:
            problems.append(problem)

    threads = [threading.Thread(target=write, args=(text,)) for text in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert held(tmp_path) in [whole(text) for text in "abc"]


WRITER = """
import sys
from pathlib import Path
from napari_sam2_automask.disk.atomic import write_all
folder, text = Path(sys.argv[1]), sys.argv[2]
for k in range(300):
    write_all({folder / n: f"{text}{k} {n}".encode() for n in ("table", "record", "mark")}, durable=False)
"""


@pytest.mark.skipif(os.name != "posix", reason="folders have locks on POSIX alone")
def test_two_processes_at_once_leave_the_files_of_one(tmp_path):
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    processes = [subprocess.Popen([*command, text]) for text in "ab"]
    assert [process.wait() for process in processes] == [0, 0]
    assert held(tmp_path) in [whole(f"{text}299") for text in "ab"]


@pytest.mark.skipif(os.name != "posix", reason="folders have locks on POSIX alone")
def test_a_lock_that_someone_else_holds_is_not_waited_for(tmp_path, monkeypatch):
    import fcntl

    monkeypatch.setattr(atomic, "_PATIENCE", 0.05)
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    write_all(writers(tmp_path, "new"))
    os.close(handle)
    assert held(tmp_path) == whole("new")


def test_leftovers_of_more_than_a_day_are_swept_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(leftovers, "_swept", set())
    old = time.time() - DAY - 60
    for name in (".0123abcd.tmp", ".0123abcd.tmp.keep", ".own.tmp", ".0123ABCD.tmp", "0123abcd.tmp"):
        (tmp_path / name).write_text("old")
        os.utime(tmp_path / name, (old, old))
    (tmp_path / ".00000001.tmp").write_text("new")
    (tmp_path / ".00000002.tmp").mkdir()
    (tmp_path / ".00000003.tmp").symlink_to(tmp_path / ".own.tmp")
    os.utime(tmp_path / ".00000003.tmp", (old, old), follow_symlinks=False)
    write_one(tmp_path / "a", b"")
    left = {".0123abcd.tmp.keep", ".own.tmp", ".0123ABCD.tmp", "0123abcd.tmp", "a"}
    left |= {".00000001.tmp", ".00000002.tmp", ".00000003.tmp"}
    assert {path.name for path in tmp_path.iterdir()} == left
    sweep(tmp_path, -60)
    assert {path.name for path in tmp_path.iterdir()} == left - {".00000001.tmp"}


def test_a_folder_is_made_and_tried(tmp_path):
    make_folder(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "b", tmp_path / ("x" * 300)):
        with pytest.raises(OutputError, match=r"cannot write .*: choose another folder"):
            make_folder(folder)
