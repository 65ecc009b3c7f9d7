"""``sam2-automask learn``: a model fitted to one's own images and labels."""

# No `from __future__ import annotations`: typer reads the annotations at run time.
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_sam2_automask.cli.console import WorkProgress, complain, say
from napari_sam2_automask.cli.option_groups import AllowMissing
from napari_sam2_automask.errors import ImageError, LearningError

__all__ = ["learn_command"]

_SUFFIX = ".safetensors"
#: What the names of label files have in place of the image's suffix.
_LABEL_NAMES = (
    ".labels.tif", ".labels.tiff", ".labels.zarr", ".lab.png", "_labels.tif", "_labels.png", "_masks.tif",
    "_masks.png", "_mask.tif", "_mask.png", "_cp_masks.tif", "_cp_masks.png",
)  # fmt: skip


def learn_command(
    images: Annotated[Path, typer.Argument(metavar="IMAGE|DIR", help="An image, or a folder of images.")],
    labels: Annotated[
        Path,
        typer.Option(
            help="The labels: a file for one image; for a folder a folder, with files named like the images, "
            "such as cells.labels.tif for cells.tif. 0 is background, one number for each object."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="NAME|FILE",
            help="The model: a plain name to have it in the list of models, or a file *.safetensors.",
        ),
    ],
    minutes: Annotated[float, typer.Option(help="About how long it may take.")] = 5.0,
    steps: Annotated[
        int | None, typer.Option(help="How many steps, in place of --minutes.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="Of chance: the same gives the same model on a CPU.")] = 0,
    partial: Annotated[
        bool, typer.Option("--partial", help="Not all objects are labelled: unlabelled ground says nothing.")
    ] = False,
    complete: Annotated[
        Path | None,
        typer.Option(
            help="A mask, or a folder of masks named like the images: not 0 where every object is labelled.",
            show_default=False,
        ),
    ] = None,
    plane: Annotated[
        int | None,
        typer.Option(help="Which plane of images, labels and masks with several.", show_default=False),
    ] = None,
    channel: Annotated[
        str | None,
        typer.Option(
            metavar="N|mix",
            help="One channel of the images, or all mixed in colours. Without it channels count as planes.",
            show_default=False,
        ),
    ] = None,
    base: Annotated[
        str, typer.Option(help="What to begin with: bundled, a model learned before, or a SAM 2.1 model.")
    ] = "bundled",
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "cpu",
    allow_missing: AllowMissing = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a model of that name.")] = False,
) -> None:
    """Fit the small model to your own images: a few labelled ones, some minutes, no GPU.

    A part of each image is held back to see whether it helps, and the best there is kept; Ctrl-C stops and
    keeps the best so far. A run that was killed is gone on with by the same command.
    """
    target = _target(out)
    if target.exists() and not overwrite:
        raise LearningError(f"{target} exists already: choose another name, or give --overwrite")
    if complete is not None and partial:
        raise LearningError("--partial and --complete exclude each other: give one of them")
    from napari_sam2_automask.disk.atomic import make_folder
    from napari_sam2_automask.disk.output_errors import check_targets
    from napari_sam2_automask.files.reading import read_beside
    from napari_sam2_automask.image.pick import Pick, parse_channel
    from napari_sam2_automask.learning.checkpoint import unfinished_path
    from napari_sam2_automask.learning.learning import learn
    from napari_sam2_automask.models.keeping import save_model

    pick = Pick(plane, channel=parse_channel(channel))
    found = _images(images)
    answers = _beside(found, images, labels, "labels")
    regions = [] if complete is None else _beside(found, images, complete, "mask")
    unfinished = unfinished_path(target)
    check_targets((target, unfinished), [*found, *answers, *regions])
    make_folder(target.parent)
    views = [_view(path, pick, allow_missing) for path in found]
    with _LearningBar() as bar, _stopping() as check:

        def told(progress: Any) -> None:
            bar(progress)
            check()

        model = learn(
            views,
            [read_beside(path, plane).array for path in answers],
            base,
            minutes,
            steps=steps,
            seed=seed,
            complete=[read_beside(path, plane).array for path in regions] if regions else not partial,
            name=target.stem,
            names=[str(path) for path in found],
            device=device,
            checkpoint=unfinished,
            progress=told,
        )
    save_model(model, target)
    card = model.card
    assert card is not None
    what = {"accuracy": "mean segmentation accuracy", "iou": "mean IoU at points"}[card.measure]
    say(
        f"{target}: learned from {card.objects} objects in {card.images} images, {card.steps} steps; on "
        f"what was held back {what} {card.before:.3f} before, {card.after:.3f} after"
    )


def _view(path: Path, pick: Any, allow_missing: bool) -> Any:
    """Return what the model sees of an image when it is segmented with the settings as they are."""
    from napari_sam2_automask.files.opening import check_chunks
    from napari_sam2_automask.files.reading import read_picked

    if not allow_missing:
        check_chunks(path, pick.series, pick.level)
    image = read_picked(path, pick)
    try:
        views = image.views(None)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error
    if len(views) > 1:
        raise LearningError(
            f"of {path} the model sees {len(views)} pictures, one for each channel, and learns from one: "
            "choose one with --channel N, or --channel mix"
        )
    return views[0]


def _target(out: Path) -> Path:
    """Return the file of a model: a plain name is one of the models of this computer."""
    if out.suffix.lower() == _SUFFIX:
        return out.absolute()
    if out.name != str(out) or out.suffix[1:].isalpha():
        raise LearningError(f"{out} is no name of a model: give a plain name, or a file *{_SUFFIX}")
    from napari_sam2_automask.models.catalogue.registry import own_path

    return own_path(str(out))


def _images(given: Path) -> list[Path]:
    from napari_sam2_automask.batch.finding import find_images

    found, useless = find_images([given])
    found = [path for path in found if not path.name.endswith(_LABEL_NAMES)]
    if not found:
        raise LearningError(
            next(iter(useless.values()), f"{given} holds no images: give an image or a folder")
        )
    return found


def _beside(images: list[Path], given: Path, others: Path, what: str) -> list[Path]:
    """Return the file for each image: the one given, or the one of the same name in a folder."""
    from napari_sam2_automask.files.series import is_zarr

    if not others.is_dir() or is_zarr(others):
        if not others.exists():
            raise LearningError(f"there is no {others}: give the {what} of the images")
        if len(images) > 1:
            raise LearningError(f"{given} holds {len(images)} images and {others} is one file: give a folder")
        return [others]
    files = {path.name: path for path in sorted(others.iterdir()) if path.is_file() or is_zarr(path)}
    found = []
    for image in images:
        stem = image.name.removesuffix(image.suffix).removesuffix(".img").removesuffix(".ome")
        same = [name for name in files if name == image.name or Path(name).stem == stem]
        names = [f"{stem}{ending}" for ending in _LABEL_NAMES] + same
        there = [files[name] for name in names if name in files and files[name].resolve() != image.resolve()]
        if not there:
            raise LearningError(f"{others} holds no {what} for {image}: name it {stem}{_LABEL_NAMES[0]}")
        found.append(there[0])
    return found


class _LearningBar(WorkProgress):
    """A bar that tells the score on what is held back."""

    def __init__(self) -> None:
        super().__init__(1)

    def __call__(self, progress: Any) -> None:
        """Show a report."""
        super().__call__(progress)
        if progress.stage == "learn":
            self._rich.update(
                self._inside,
                description=f"learning (held back: {progress.before:.2f} before, best {progress.best:.2f})",
            )


@contextmanager
def _stopping() -> Iterator[Any]:
    """Let Ctrl-C stop at the next report, so that what was learned is kept; a second one stops at once."""
    from napari_sam2_automask.progress import Cancelled

    asked: list[int] = []

    def check() -> None:
        if asked:
            raise Cancelled("stopped from the keyboard before anything was learned: nothing was written")

    def ask(number: int, frame: Any) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        complain("stopping: the best so far is kept")

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield check
    except Cancelled as cancelled:
        complain(f"error: {cancelled}")
        raise typer.Exit(130) from None
    finally:
        signal.signal(signal.SIGINT, before)
