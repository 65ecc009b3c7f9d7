"""All that is to be known of a GPU in one go, in eight minutes at most.

    python benchmarks/speed/gpu.py [--minutes 8] [--out DIR] [--plan]

One after the other, each with the time that is left at most: large, ours and Meta's, in single precision
and in half; the encoder as it is, in half precision, compiled and as a graph, with what it costs to get
going, and crops together; the bundled model and base+, ours and Meta's; what half precision does to masks;
and parity of large and base+ over all settings. What a part printed and wrote is kept in DIR, also of one
that ran out of time. Without a GPU it says what it would do.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Part:
    """One measurement.

    Attributes
    ----------
    name : str
        Also that of its files.
    script : str
        Under benchmarks.
    arguments : str
        Its own.
    most : float
        Seconds that it may take.
    writes : bool
        Whether it takes ``--json``.
    """

    name: str
    script: str
    arguments: str
    most: float
    writes: bool = True

    def command(self, out: Path) -> list[str]:
        """Return the command line, without the interpreter."""
        json = ["--json", str(out / f"{self.name}.json")] if self.writes else []
        return [str(ROOT / "benchmarks" / self.script), *self.arguments.split(), *json]


_SPEED = "--device cuda --image 1024 --points 32 --threads 4 --pairs 3"
#: In the order of what they are worth: the last ones get what time is left.
PARTS = (
    Part("large", "speed/speed.py", f"--model large {_SPEED} --only ours meta", 120),
    Part("large_half", "speed/speed.py", f"--model large {_SPEED} --only ours --half", 60),
    Part("encoder", "speed/gpu_encoder.py", "--models large base+ bundled", 150, writes=False),
    Part("bundled", "speed/speed.py", f"--model bundled {_SPEED} --only ours meta", 60),
    Part("base", "speed/speed.py", f"--model base+ {_SPEED} --only ours meta", 90),
    Part("half_masks", "speed/half.py", "--device cuda --models large base+", 60, writes=False),
    Part("parity", "quality/parity.py", "--device cuda --models large base+ --shapes 1024x1024", 300),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=8.0, help="for all of it")
    parser.add_argument("--out", type=Path, default=Path("gpu_out"), help="a folder")
    parser.add_argument("--plan", action="store_true", help="only say what would be done")
    arguments = parser.parse_args()
    there = torch.cuda.is_available()
    if arguments.plan or not there:
        print(
            "What is to be done:" if there else "PyTorch finds no CUDA device here. With one this would run:"
        )
        for part in PARTS:
            print(f"  at most {part.most:.0f} s: python {' '.join(part.command(arguments.out))}")
        return
    print(facts(), flush=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * arguments.minutes
    for part in PARTS:
        run(part, arguments.out, min(part.most, end - time.monotonic()))


def facts() -> str:
    """Return what the figures were measured on."""
    free, whole = torch.cuda.mem_get_info()
    return (
        f"{torch.cuda.get_device_name()}, {free / 1e9:.0f} of {whole / 1e9:.0f} GB free, PyTorch "
        f"{torch.__version__}, CUDA {torch.version.cuda}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores"
    )


def run(part: Part, out: Path, seconds: float) -> bool:
    """Run a part, print what it prints, and tell whether it came to its end.

    Parameters
    ----------
    part : Part
        What to run.
    out : Path
        Folder of its files.
    seconds : float
        Time that it has; then it and all that it started are ended.
    """
    if seconds <= 0:
        print(f"== {part.name}: no time was left", flush=True)
        return False
    print(f"== {part.name}: python {' '.join(part.command(out))}", flush=True)
    log, begun = out / f"{part.name}.txt", time.monotonic()
    with log.open("w") as file:
        process = subprocess.Popen([sys.executable, *part.command(out)], stdout=file, stderr=file)
        try:
            code: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end(process)
    print(log.read_text().rstrip())
    how = "was ended, its time was over" if code is None else f"ended with {code}"
    print(f"== {part.name} {how} after {time.monotonic() - begun:.0f} s", flush=True)
    return code is not None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process with those that it started."""
    if process.poll() is None:
        started = psutil.Process(process.pid).children(recursive=True)
        for one in (process, *started):
            one.kill()
        process.wait()


if __name__ == "__main__":
    main()
