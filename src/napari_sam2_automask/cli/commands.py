"""The command line: all commands, and how an error ends."""

# No `from __future__ import annotations`: typer reads the annotations at run time.
import logging
import sys
import traceback
from io import TextIOWrapper
from typing import Annotated

import typer
from rich.table import Table

from napari_sam2_automask import __version__
from napari_sam2_automask.cli.console import OUT, complain, say
from napari_sam2_automask.cli.demo import demo_command
from napari_sam2_automask.cli.large import large, runs_app
from napari_sam2_automask.cli.learn import learn_command
from napari_sam2_automask.cli.models import models_app
from napari_sam2_automask.cli.replay import replay_command
from napari_sam2_automask.cli.report import report_command
from napari_sam2_automask.cli.segment import segment
from napari_sam2_automask.cli.sweep import sweep_command
from napari_sam2_automask.errors import AutomaskError
from napari_sam2_automask.models.runtime.process_guards import wait_patiently
from napari_sam2_automask.settings.presets import PRESETS

__all__ = ["app", "main"]

#: Taken anywhere on the command line.
DEBUG = "--debug"

app = typer.Typer(
    name="sam2-automask",
    help="Segment everything in images with SAM 2, as the napari plugin does.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # the rich help cuts long option names short
)
app.add_typer(models_app, name="models")
app.add_typer(runs_app, name="runs")


def main() -> None:
    """Run the command line: whatever goes wrong is one line and exit code 1; --debug shows where it did."""
    # tifffile logs what it stumbles over in damaged files; our one line says it.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding cannot show must not end a run of many images.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    wait_patiently()
    arguments = [argument for argument in sys.argv[1:] if argument != DEBUG]
    try:
        app(arguments)
    except Exception as error:
        if DEBUG in sys.argv[1:]:
            traceback.print_exc()
        complain(f"error: {_told(error)}")
        sys.exit(1)


def _told(error: Exception) -> str:
    """Say what went wrong; of what nobody foresaw also what to do."""
    if isinstance(error, AutomaskError):
        return str(error)
    if isinstance(error, MemoryError):
        return "memory does not suffice: close other programs, or give smaller images"
    reason = next(iter(str(error).splitlines()), "")
    return (
        f"it failed in a way that was not foreseen ({type(error).__name__}: {reason}): run it again with "
        f"{DEBUG}, and report what it says"
    )


def _version(wanted: bool) -> None:
    if wanted:
        say(f"napari-sam2-automask {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[
        bool, typer.Option(DEBUG, help="After an error, show where in the program it came from.")
    ] = False,
) -> None:
    pass


app.command("segment")(segment)
app.command("replay")(replay_command)
app.command("report")(report_command)
app.command("large")(large)
app.command("sweep")(sweep_command)
app.command("learn")(learn_command)
app.command("demo")(demo_command)


@app.command()
def presets() -> None:
    """List the presets: what each is for and what it costs."""
    table = Table("preset", "for", "passes, points", "bundled model", box=None, header_style="bold")
    for preset in PRESETS.values():
        usual, own = (s.cost_words for s in (preset.settings, preset.for_model("bundled")))
        table.add_row(preset.name, preset.purpose, ", ".join(usual), ", ".join(dict.fromkeys(own)))
    OUT.print(table)
