"""Damaged files of every kind that is read: tracebacks, hangs, signals, and the peak of memory.

Valid files of every kind that is read are damaged at random (flipped bits, cut ends, pieces in other places,
odd values in JSON) and read by the package's own readers in processes that are watched. A traceback is
anything but one line of an `AutomaskError` that names the file, a hang is over 20 s. The same seed gives the
same files; none is larger than 10 MB.

    python benchmarks/robustness/fuzz.py --inputs 20000 --seed 1 --keep /tmp/found

Files that were found are kept with what happened, so that each can become a test.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
#: Seconds after which a process hangs.
HANG = 20.0
# What a process may address, beside torch.
_MEMORY = 12 << 30
_FRESH = 2000
# After so many times `HANG` a process hangs that computes nothing.
_PATIENCE = 6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", help="only these kinds")
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "fuzz_found")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT / "tests" / "kits"))
    if options.worker:
        work()
    else:
        sys.exit(watch(options))


def work() -> None:
    """Damage and read what each line on standard input names; answer with a line of JSON."""
    import warnings

    from valid_files import KINDS, check_line, damage

    from napari_sam2_automask.errors import AutomaskError

    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    made: dict[str, Path] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for kind, one in KINDS.items():  # libraries are imported by that
            (own := Path(temporary) / str(len(made))).mkdir()
            made[kind] = one.make(own)
            with contextlib.suppress(AutomaskError):
                one.read(made[kind])
        for line in sys.stdin:
            kind, seed, folder = json.loads(line)
            place = Path(folder)
            shutil.copytree(made[kind].parent, place, dirs_exist_ok=True)
            path = place / made[kind].name
            damage(kind, path, random.Random(seed))
            answers.write("ready\n")
            answers.flush()
            try:
                KINDS[kind].read(path)
                outcome = "read"
            except AutomaskError as error:
                outcome = "refused"
                try:
                    check_line(error, path)
                except AssertionError as unclear:
                    outcome = f"unclear: {unclear}"
            except Exception:
                outcome = "traceback: " + traceback.format_exc()
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            answers.write(json.dumps([outcome, peak]) + "\n")
            answers.flush()


class Process:
    """A process that reads, and what it said last."""

    def __init__(self) -> None:
        command = [sys.executable, __file__, "--worker"]
        own = {"env": os.environ | {"OMP_NUM_THREADS": "1"}, "text": True}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **own
        )
        self.done = 0

    def ask(self, *task: object) -> tuple[str, int]:
        """Return what became of a task and the most memory in KB."""
        process = self.process
        process.stdin.write(json.dumps(task) + "\n")
        process.stdin.flush()
        self.done += 1
        process.stdout.readline()  # it is damaged
        hung, over = threading.Event(), threading.Event()
        threading.Thread(target=self._watch, args=(hung, over), daemon=True).start()
        answer = process.stdout.readline()
        over.set()
        if answer:
            return tuple(json.loads(answer))
        code = process.wait()
        return ("hang" if hung.is_set() else f"signal {-code}"), 0

    def _watch(self, hung: threading.Event, over: threading.Event) -> None:
        """End the process when it hangs: seconds of its own, on a machine that does other things as well."""
        watched = psutil.Process(self.process.pid)
        began = sum(watched.cpu_times()[:2])
        for _ in range(_PATIENCE):
            if over.wait(HANG):
                return
            with contextlib.suppress(psutil.Error):
                if sum(watched.cpu_times()[:2]) - began > HANG:
                    break
        hung.set()
        self.process.kill()

    def end(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait()


def watch(options: argparse.Namespace) -> int:
    """Give tasks to a process, start another where one died, and say what became of them."""
    from valid_files import KINDS

    kinds = options.kinds or list(KINDS)
    options.keep.mkdir(parents=True, exist_ok=True)
    counts: Counter[str] = Counter()
    by_kind: dict[str, Counter[str]] = {kind: Counter() for kind in kinds}
    peak, start, slowest = 0, time.perf_counter(), (0.0, "")
    process = Process()
    for number in range(options.inputs):
        kind = kinds[number % len(kinds)]
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            outcome, used = process.ask(kind, f"{options.seed} {number}", folder)
            slowest = max(slowest, (time.perf_counter() - began, f"{kind} {number}"))
            name = outcome.split(":")[0].split()[0]
            counts[name] += 1
            by_kind[kind][name] += 1
            peak = max(peak, used)
            if name not in ("read", "refused"):
                kept = options.keep / f"{options.seed}_{number}_{kind.replace(' ', '_')}"
                shutil.copytree(folder, kept, dirs_exist_ok=True)
                (kept / "what.txt").write_text(outcome)
                last = outcome.strip().splitlines()[-1][:200]
                print(f"{number} {kind}: {name}: {last}", flush=True)
        if process.process.poll() is not None or process.done >= _FRESH:
            process.end()
            process = Process()
        if number % 1000 == 999:
            print(f"{number + 1:,} {dict(counts)}, {peak / 1e6:.2f} GB", flush=True)
    process.end()
    for kind, found in by_kind.items():
        print(f"{kind:20} {dict(found)}")
    seconds = time.perf_counter() - start
    print(
        f"{options.inputs:,} inputs in {seconds:.0f} s: {dict(counts)}; peak {peak / 1e6:.2f} GB; "
        f"slowest {slowest[0]:.1f} s ({slowest[1]})"
    )
    return int(sum(counts.values()) != counts["read"] + counts["refused"])


if __name__ == "__main__":
    main()
