"""Small tasks for executors; must be importable by their processes."""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from napari_sam2_automask.errors import OutputError
from napari_sam2_automask.progress import Cancelled, Progress
from napari_sam2_automask.workers.process import check_stopped


@dataclass(frozen=True)
class Noted:
    """Notes in a file when a task begins, dies, stops or ends; what it does is said by its index."""

    log: str

    def __call__(self, index):
        what, number = index
        self._note(f"begins {what} {number}")
        value = getattr(self, what)(number)
        self._note(f"ends {what} {number}")
        return value

    def _note(self, text):
        with open(self.log, "a") as file:
            file.write(f"{text} {time.time()} {os.getpid()}\n")

    def square(self, number):
        time.sleep(0.05)
        return number * number

    def talk(self, number):
        sys.stdout.write("this is not an answer")
        return sys.stdin.read()

    def fail(self, number):
        raise ValueError(f"{number} cannot be done")

    def fail_the_run(self, number):
        raise OutputError(f"{number} cannot be written")

    def lock(self, number):
        return threading.Lock()

    def die_once(self, number):
        if not Path(f"{self.log}.{number}").exists():
            Path(f"{self.log}.{number}").touch()
            self.die(number)
        return number

    def die(self, number):
        time.sleep(0.1)
        self._note(f"dies die {number}")
        os.kill(os.getpid(), 9)

    def listen(self, number):
        try:
            for k in range(2000):
                check_stopped(Progress("points", k, 2000))
                time.sleep(0.03)
        except Cancelled:
            self._note(f"stops listen {number}")
            raise

    def sleep(self, number):
        time.sleep(60)


def notes(log):
    """Return what was noted: (what happened, task, number, seconds, process)."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [(a, b, int(n), float(t), int(p)) for a, b, n, t, p in map(str.split, lines)]
