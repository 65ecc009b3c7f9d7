"""Windows and macOS, as far as they can be played: what is missing there, consoles, locked files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from places import ROOT

from napari_sam2_automask.disk import write_all
from napari_sam2_automask.errors import OutputError
from napari_sam2_automask.samples import samples

WITHOUT = """
import importlib, os, pkgutil, signal, sys

import napari_sam2_automask as package

found = pkgutil.walk_packages(package.__path__, package.__name__ + ".")
names = [module.name for module in found if not module.name.endswith("__main__")]
for name in names:  # with everything that they import from elsewhere, which knows this system
    importlib.import_module(name)
for name in [name for name in sys.modules if name.partition(".")[0] == package.__name__]:
    del sys.modules[name]
windows = sys.argv[1] == "win32"
for name in ("fcntl", "resource", "termios", "pwd", "grp", "posix") if windows else ():
    sys.modules[name] = None
missing = "sched_getaffinity O_CLOEXEC"
if windows:
    missing += " setpriority fork getuid geteuid mkfifo O_NONBLOCK O_NOFOLLOW O_DIRECTORY killpg"
    missing += " statvfs setsid nice chown pthread_sigmask SIGKILL SIGHUP SIGUSR1 SIGSTOP alarm"
for owner in (os, signal):
    for name in missing.split():
        if hasattr(owner, name):
            delattr(owner, name)
sys.platform = sys.argv[1]
for name in names:
    importlib.import_module(name)

from napari_sam2_automask.cli import main

sys.argv = ["sam2-automask", *sys.argv[2:]]
main()
"""
"""All our modules, imported where the system has no POSIX, then the command line."""


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_a_run_where_the_system_has_nothing_of_posix_and_a_console_of_its_own(tmp_path, system):
    name = "Zellkerne µm 核.png"  # the last letter is none of the console's
    shutil.copy(samples()[0].path, tmp_path / name)
    environment = os.environ | {
        **{"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0", "QT_QPA_PLATFORM": "offscreen"},
        "PYTHONPATH": str(ROOT / "src"),
    }
    command = [sys.executable, "-c", WITHOUT, system, "segment", str(tmp_path / name), "--preset", "coarse"]
    done = subprocess.run(
        [*command, "--points-per-side", "4", "--out", str(tmp_path / "out")],
        capture_output=True, env=environment, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode("cp1252")
    assert "Zellkerne µm \\u6838.png: " in done.stdout.decode("cp1252")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"Zellkerne µm 核.{end}" for end in ("coco.json", "labels.tif", "record.json", "table.csv")
    }


def test_a_file_that_another_program_holds_open_stays_whole_and_is_named(tmp_path, monkeypatch):
    table, record = tmp_path / "cells.table.csv", tmp_path / "cells.record.json"
    table.write_text("old table")
    record.write_text("old record")
    really = os.replace

    def replace(source, target):  # as Windows does where a spreadsheet has the table open
        if "cells.table.csv" in (os.path.basename(source), os.path.basename(target)):
            raise PermissionError(
                13, "The process cannot access the file because it is being used by another process"
            )
        really(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OutputError, match=r"cells\.table\.csv.*close what has that name"):
        write_all({table: b"new table", record: b"new record"})
    assert (table.read_text(), record.read_text()) == ("old table", "old record")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cells.record.json", "cells.table.csv"]
