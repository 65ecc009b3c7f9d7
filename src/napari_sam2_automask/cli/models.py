"""``sam2-automask models``: list, download, add and verify models."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from napari_sam2_automask.cli.console import OUT, ByteProgress, say
from napari_sam2_automask.errors import ModelError

__all__ = ["models_app"]

models_app = typer.Typer(help="List, download, add and verify models.", add_completion=False)


@models_app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    """List, download, add and verify models."""
    if context.invoked_subcommand is None:
        list_all()


@models_app.command("list")
def list_all() -> None:
    """List the models: what each is for, and whether it is on this computer."""
    from napari_sam2_automask.models import list_models, model_folder

    table = Table("name", "model", "state", "MB", "for", box=None, header_style="bold")
    for entry in list_models():
        table.add_row(entry.name, entry.title, entry.state, f"{entry.bytes / 1e6:.0f}", entry.purpose)
    OUT.print(table)
    say(f"Models lie in {model_folder()}. A file of your own can be given in place of a name.")


@models_app.command("download")
def download_one(
    name: Annotated[str, typer.Argument(help="The model's name, as `models list` shows it.")],
) -> None:
    """Download a model and check its SHA-256; an interrupted download goes on where it stopped."""
    from napari_sam2_automask.models import download

    with ByteProgress() as progress:
        path = download(name, progress)
    say(f"{name} is in {path}")


@models_app.command("add")
def add_one(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A learned model, such as a colleague's.")],
    name: Annotated[
        str | None, typer.Option(help="What to call it here. [default: as the file]", show_default=False)
    ] = None,
) -> None:
    """Check a learned model's file and put a copy among the models of this computer."""
    from napari_sam2_automask.models import add_model

    path = add_model(file, name)
    say(f"{path.stem} is in {path}")


@models_app.command("verify")
def verify_all(
    names: Annotated[
        list[str] | None, typer.Argument(help="Models to check; all that are there when left out.")
    ] = None,
) -> None:
    """Check the SHA-256 of the models on this computer."""
    from napari_sam2_automask.models import list_models, verify

    entries = names or [entry.name for entry in list_models() if entry.path is not None]
    failures = []
    for name in entries:
        try:
            with ByteProgress() as progress:
                checksum = verify(name, progress)
        except ModelError as error:
            failures.append(str(error))
            continue
        say(f"{name}: good, sha256 {checksum}")
    if failures:
        raise ModelError("; ".join(failures))
