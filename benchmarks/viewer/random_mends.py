"""Random mends in a window, by every tool: Mend mode's, napari's, table, sliders, planes, links, undo, redo.

    xvfb-run -a python benchmarks/viewer/random_mends.py [--actions 500] [--side 1024] [--planes 1]

Says whether the labels are those of a replay of the record (byte for byte, in each plane of a stack), whether
the table has a row for each object, what was raised, how much memory the process takes after every fifth of
the actions, and how long the window's thread was busy in one go: by its own time, which is what it would be
on an idle machine, and by the clock. Below it stands what napari alone takes at that time for edits of a
Labels layer of that size, see `bare_labels.py`. Candidates are made of smooth blobs without a model; what is
asked in its place answers with a disc. Ends with 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

from blob_window import Window
from random_person import Person


def memory() -> float:
    """Return the memory of this process, in MB."""
    text = Path("/proc/self/statm").read_text()
    return int(text.split()[1]) * 4096 / 1e6


def noting_errors() -> list[str]:
    """Return a list that fills with what is raised and caught by nobody, in any thread."""
    errors: list[str] = []

    def note(kind: Any, error: BaseException, where: Any) -> None:
        errors.append("".join(traceback.format_exception(kind, error, where)))

    sys.excepthook = note
    threading.excepthook = lambda told: note(told.exc_type, told.exc_value, told.exc_traceback)
    return errors


def main() -> int:
    """Do it, print the figures, and return 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--actions", type=int, default=500)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--objects", type=int, default=300)
    parser.add_argument("--planes", type=int, default=1)
    parser.add_argument("--link", choices=("", "z", "t"), default="z", help="how planes are linked")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--check", type=int, default=0, help="compare with a replay after so many actions")
    options = parser.parse_args()
    window = Window(options)
    person = Person(window, options.seed, linked=options.planes > 1 and options.link != "")
    errors, refused = noting_errors(), Counter[str]()
    window.widget.live.not_mended.connect(lambda reason: refused.update([window.kind]))
    window.widget.result.links.relinking.failed.connect(lambda reason: refused.update([window.kind]))
    window.forget()
    done: Counter[str] = Counter()
    sizes, right = [memory()], True
    begun = time.perf_counter()
    for number in range(1, options.actions + 1):
        done[person.act()] += 1
        if options.check and number % options.check == 0 and right:
            right = window.is_that_of_a_replay() and window.has_its_table() and not errors
            if not right:
                print(f"wrong after {number} actions, the last one: {window.kind}")
        if number % max(1, options.actions // 5) == 0:
            sizes.append(memory())
    seconds = time.perf_counter() - begun
    own, wall = window.own.copy(), window.wall.copy()
    follower = window.widget.live.live_layer
    print(
        f"{options.actions} actions in {seconds:.0f} s, {options.side} x {options.side}, {options.planes} "
        f"plane(s), {len(follower.candidates):,} candidates in each; {len(follower.shows.steps)} steps count "
        "in the plane shown"
    )
    print(", ".join(f"{kind} {count}" for kind, count in done.most_common()))
    print(f"cannot be done, which was said: {sum(refused.values())}")
    same, table = window.is_that_of_a_replay(), window.has_its_table()
    print(f"the labels are those of a replay: {same}; the table is theirs: {table}; raised: {len(errors)}")
    print("\n".join(sorted(set(errors))), end="")
    told_sizes = ", ".join(f"{size:,.0f}" for size in sizes)
    print(f"memory, MB: {told_sizes}; history {follower.mends.nbytes / 1e6:.1f} MB")
    window.own, window.wall = own, wall
    window.tell("the window:")
    sys.stdout.flush()
    window.widget.shut_down()
    window.viewer.close()
    alone = [str(Path(__file__).with_name("bare_labels.py")), "--side", str(options.side)]
    subprocess.run([sys.executable, *alone, "--planes", str(options.planes)], check=True)
    return 0 if same and table and right and not errors else 1


if __name__ == "__main__":
    sys.exit(main())
