"""The options of `segment` and `large` for work in several processes, and on several machines."""

# No `from __future__ import annotations`: typer reads the annotations at run time.
from typing import Annotated

import typer

from napari_sam2_automask.errors import SettingsError

__all__ = ["WORK", "Gpus", "Scheduler", "Threads", "Workers", "check_work"]

#: Under this heading the help lists the options.
WORK = "Work"

Workers = Annotated[int, typer.Option(help="Processes on this machine.", rich_help_panel=WORK)]
Scheduler = Annotated[
    str, typer.Option(help="Address of a Dask scheduler, in their place.", rich_help_panel=WORK)
]
Gpus = Annotated[
    bool,
    typer.Option(
        "--gpus", help="A tile or image takes one GPU of a Dask worker's resources.", rich_help_panel=WORK
    ),
]
Threads = Annotated[
    int, typer.Option(help="Threads in each process; 0 shares the cores.", rich_help_panel=WORK)
]


def check_work(workers: int, scheduler: str, gpus: bool, threads: int) -> None:
    """Refuse what cannot be done.

    Raises
    ------
    SettingsError
        If a number is out of its range, or GPUs are asked for where there is no scheduler to give them.
    """
    if workers < 1 or threads < 0:
        raise SettingsError("--workers is 1 or more, --threads 0 or more: give such a number")
    if gpus and not scheduler:
        raise SettingsError("--gpus shares out the GPUs of a cluster: give the address of its --scheduler")
