"""``sam2-automask replay``: do a run again from its record."""

# No `from __future__ import annotations`: typer reads the annotations at run time.
from pathlib import Path
from typing import Annotated

import typer

from napari_sam2_automask.cli.console import WorkProgress, complain, say
from napari_sam2_automask.files.web_address import given_path

__all__ = ["replay_command"]


def replay_command(
    record: Annotated[Path, typer.Argument(help="A record that `segment` wrote (NAME.record.json).")],
    image: Annotated[
        Path | None,
        typer.Argument(
            metavar="[IMAGE]",
            parser=given_path,
            help="The image. [default: where the record says, or beside it]",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results; made if need be.")] = ...,  # type: ignore[assignment]
    model: Annotated[
        str | None, typer.Option(help="The model's file, if it is none of `models list`.", show_default=False)
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Another device than the record's.", show_default=False)
    ] = None,
) -> None:
    """Do a run again from its record: on the same machine the labels are the same, byte for byte.

    The image and the model must be those of the record; their SHA-256 are checked. What differs (versions,
    device, threads) is said, and whether the labels are the same.
    """
    from napari_sam2_automask.replay.replaying import replay

    with WorkProgress(1) as progress:
        try:
            progress.start(record.name)
            done = replay(record, out, image, model=model, device=device, progress=progress)
        except KeyboardInterrupt:
            complain("error: stopped from the keyboard: nothing was written")
            raise typer.Exit(130) from None
    for difference in done.differences:
        complain(f"note: {difference}")
    same = {True: "the same labels", False: "other labels than the record's", None: ""}[done.same]
    say(f"{done.labels}: {done.objects} objects" + (f", {same}" if same else ""))
    if done.same is False:
        complain("error: the labels are not those of the record: see what differs above")
        raise typer.Exit(1)
