"""``sam2-automask sweep``: one parameter at several values, as a picture and a table."""

# No `from __future__ import annotations`: typer reads the annotations at run time.
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_sam2_automask.cli.console import WorkProgress, complain, say
from napari_sam2_automask.cli.option_groups import AllowMissing, ContrastLimits, ModelOptions, with_groups
from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.settings.amg import AmgSettings

if TYPE_CHECKING:
    from napari_sam2_automask.image.picture import LoadedImage

__all__ = ["sweep_command"]


@with_groups
def sweep_command(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="An image file.")],
    parameter: Annotated[str, typer.Option(help="The parameter's name, such as points_per_side.")],
    values: Annotated[str, typer.Option(help="Its values, with commas between them: 8,16,32.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results; made if need be.")],
    model: ModelOptions,
    truth: Annotated[
        Path | None,
        typer.Option(help="A label image of what is there; scores are measured with it.", show_default=False),
    ] = None,
    layers: Annotated[
        bool, typer.Option("--layers", help="Write the labels of each value as a TIFF, too.")
    ] = False,
    plane: Annotated[int | None, typer.Option(help="Which plane of a file with several.")] = None,
    contrast_limits: ContrastLimits = None,
    allow_missing: AllowMissing = False,
    **parameters: Any,
) -> None:
    """Segment an image at several values of one parameter: a contact sheet (PNG) and a table (CSV).

    The table holds the number of objects, encoder passes, point prompts and time of each value, and with
    --truth recall (of all objects, and of the quarters by size), F1, how well boundaries fit, objects that
    were given two labels and objects without one.
    """
    chosen = model.choose({k: v for k, v in parameters.items() if k != parameter})
    name = parameter.replace("-", "_")
    wanted = [part.strip() for part in values.split(",") if part.strip()]
    if any(info.name == name and info.kind is tuple for info in AmgSettings.fields()):
        raise SettingsError(f"{name} cannot be given as a list of values: sweep a number, or points_per_side")
    from napari_sam2_automask.disk.atomic import make_folder, write_all
    from napari_sam2_automask.disk.output_errors import check_targets
    from napari_sam2_automask.evaluation.label_image import label_image
    from napari_sam2_automask.evaluation.sweep_table import step_rows
    from napari_sam2_automask.evaluation.sweeping import contact_sheet, settings_of_sweep, sweep
    from napari_sam2_automask.files.labels_tiff import write_labels
    from napari_sam2_automask.files.own_results import save_sheet
    from napari_sam2_automask.files.reading import read_beside
    from napari_sam2_automask.image.view import to_model_view
    from napari_sam2_automask.models import load_model
    from napari_sam2_automask.settings.physical import measured, value_in_pixels
    from napari_sam2_automask.settings.presets import resolve_settings
    from napari_sam2_automask.settings.units import Pixel

    loaded = _read(image, plane, allow_missing)
    pixel = Pixel.known(loaded.pixel_size, loaded.unit)
    plain = measured(chosen, pixel)
    wanted = [value_in_pixels(name, value, pixel) for value in wanted]
    answer = None if truth is None else label_image(read_beside(truth, plane).array, str(truth))
    if answer is not None and answer.shape != loaded.array.shape[:2]:
        shape = loaded.array.shape[:2]
        raise SettingsError(f"{truth} has shape {answer.shape}, the image {shape}: give labels of that image")
    # What is wrong with a value is said before a model is loaded.
    tried = settings_of_sweep(resolve_settings(plain, "bundled")[0], name, wanted)
    stem = out / f"{image.stem}.{name}"
    sheet, csv = Path(f"{stem}.png"), Path(f"{stem}.csv")
    labels = [Path(f"{stem}={getattr(one, name)}.labels.tif") for one in tried] if layers else []
    read = [image, Path(model.model), *filter(None, [truth, model.settings])]
    check_targets((sheet, csv, *labels), read)
    make_folder(out)
    with WorkProgress(len(wanted)) as progress:
        network = load_model(model.model, device=model.device, progress=progress)
        try:
            steps = sweep(
                loaded.array, name, wanted, plain, network,
                rgb=loaded.rgb, contrast_limits=contrast_limits, progress=progress, done=progress.advance,
            )  # fmt: skip
        except KeyboardInterrupt:
            complain("error: stopped from the keyboard: nothing was written")
            raise typer.Exit(130) from None
    view = to_model_view(loaded.array, rgb=loaded.rgb, contrast_limits=contrast_limits)
    page = contact_sheet(view, steps, title=f"{image.name}: {name}")
    table = step_rows(steps, name, answer)
    size = None if pixel is None else (None, pixel.height, pixel.width, pixel.unit)
    files: dict[Path, Any] = {
        sheet: lambda file: save_sheet(file, page),
        csv: lambda file: table.to_csv(file, index=False),
    }
    # There are none without --layers.
    for path, step in zip(labels, steps, strict=False):
        files[path] = partial(write_labels, labels=step.labels, size=size)
    write_all(files)
    for step in steps:
        say(step.caption)
    say(f"{sheet} and {csv}")


def _read(image: Path, plane: int | None, allow_missing: bool) -> "LoadedImage":
    from napari_sam2_automask.files.opening import check_chunks
    from napari_sam2_automask.files.reading import read_image

    if not allow_missing:
        check_chunks(image)
    return read_image(image, plane)
