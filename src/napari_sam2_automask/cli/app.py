"""The command line: all commands, and how an error ends."""

# No `from __future__ import annotations`: typer reads the annotations at run time.
import logging
import sys
from typing import Annotated

import typer
from rich.table import Table

from napari_sam2_automask import __version__
from napari_sam2_automask.cli.console import OUT, complain, say
from napari_sam2_automask.cli.demo import demo_command
from napari_sam2_automask.cli.large import large, runs_app
from napari_sam2_automask.cli.models import models_app
from napari_sam2_automask.cli.replay import replay_command
from napari_sam2_automask.cli.segment import segment
from napari_sam2_automask.cli.sweep import sweep_command
from napari_sam2_automask.errors import AutomaskError
from napari_sam2_automask.models.runtime.process_guards import wait_patiently
from napari_sam2_automask.settings.presets import PRESETS

__all__ = ["app", "main"]

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
    """Run the command line: an error a person can mend is one line and exit code 1."""
    # tifffile logs what it stumbles over in damaged files; our one line says it.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    wait_patiently()
    try:
        app()
    except AutomaskError as error:
        complain(f"error: {error}")
        sys.exit(1)


def _version(wanted: bool) -> None:
    if wanted:
        say(f"napari-sam2-automask {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


app.command("segment")(segment)
app.command("replay")(replay_command)
app.command("large")(large)
app.command("sweep")(sweep_command)
app.command("demo")(demo_command)


@app.command()
def presets() -> None:
    """List the presets: what each is for and what it costs."""
    table = Table("preset", "for", "passes, points", "bundled model", box=None, header_style="bold")
    for preset in PRESETS.values():
        usual, own = (s.cost_words for s in (preset.settings, preset.for_model("bundled")))
        table.add_row(preset.name, preset.purpose, ", ".join(usual), ", ".join(dict.fromkeys(own)))
    OUT.print(table)
