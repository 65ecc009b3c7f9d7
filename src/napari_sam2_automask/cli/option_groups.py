"""Options that commands share, declared once in groups; a command takes a group as one argument."""

# No `from __future__ import annotations`: typer reads the annotations at run time.
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from napari_sam2_automask.cli.console import complain
from napari_sam2_automask.cli.settings_options import choose_settings, settings_options
from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.settings.numbers import INDEX, LENGTH, THREADS, WORKERS
from napari_sam2_automask.settings.physical import AnySettings
from napari_sam2_automask.settings.presets import PRESETS
from napari_sam2_automask.settings.units import UNITS, Quantity, short_unit
from napari_sam2_automask.workers.tls import TlsFiles, check_address, open_to_others

__all__ = ["AllowMissing", "ContrastLimits", "ModelOptions", "PixelOptions", "WorkOptions", "with_groups"]

F = TypeVar("F", bound=Callable[..., Any])

#: Headings under which the help lists options.
PIXELS, WORK = "Pixels", "Work"

ContrastLimits = Annotated[
    tuple[float, float] | None,
    typer.Option(
        metavar="LOW HIGH",
        help="The intensities of gray images shown as black and white to the model. "
        "[default: the 0.5 and 99.5 percentiles of the image]",
        show_default=False,
    ),
]


AllowMissing = Annotated[
    bool, typer.Option("--allow-missing", help="Chunks that a Zarr does not store are meant to be empty.")
]


@dataclass(frozen=True)
class ModelOptions:
    """The model and the settings to start from."""

    preset: Annotated[
        str | None,
        typer.Option(help=f"One of {', '.join(PRESETS)}. [default: balanced]", show_default=False),
    ] = None
    settings: Annotated[
        Path | None, typer.Option(help="A record or a JSON file of settings, in the preset's place.")
    ] = None
    model: Annotated[str, typer.Option(help="A name from `models list`, or a file of weights.")] = "bundled"
    device: Annotated[str, typer.Option(help="auto, cuda, mps or cpu.")] = "auto"

    def choose(self, parameters: dict[str, Any]) -> AnySettings:
        """Return the settings, with single parameters changed; see `choose_settings`."""
        return choose_settings(self.preset, self.settings, parameters)

    @property
    def source(self) -> str:
        """The model as a process in another folder finds it, also later."""
        from napari_sam2_automask.models.catalogue.identity import by_hash

        return str(Path(self.model).absolute()) if Path(self.model).is_file() else by_hash(self.model)


@dataclass(frozen=True)
class PixelOptions:
    """Which level of a pyramid, and how large its pixels are."""

    level: Annotated[
        int | None,
        typer.Option(
            help="Which level of a pyramid. [default: 0, full resolution]",
            show_default=False,
            rich_help_panel=PIXELS,
        ),
    ] = None
    pixel_size: Annotated[
        str | None,
        typer.Option(
            metavar="LENGTH",
            help="Take the level of a pyramid whose pixels are nearest to this size, such as '0.5 um'; in "
            "pixels of full resolution if no unit is given.",
            show_default=False,
            rich_help_panel=PIXELS,
        ),
    ] = None
    spacing: Annotated[
        tuple[float, float, float] | None,
        typer.Option(
            metavar="Z Y X",
            help="Distance between planes, height and width of a pixel at full resolution, if the file does "
            "not tell.",
            show_default=False,
            rich_help_panel=PIXELS,
        ),
    ] = None
    unit: Annotated[
        str, typer.Option(help=f"The unit of --spacing: {', '.join(UNITS)}.", rich_help_panel=PIXELS)
    ] = "um"

    @property
    def wanted_level(self) -> int | Quantity:
        """The level, or the size that its pixels should have.

        Raises
        ------
        SettingsError
            If both are given, or the size is no length above 0.
        """
        if self.pixel_size is None:
            level: int = INDEX.check(self.level or 0, "--level")
            return level
        if self.level is not None:
            raise SettingsError("--level and --pixel-size both choose a level: give one of them")
        wanted = Quantity.read(self.pixel_size, 1, "--pixel-size")
        if wanted.value <= 0:
            raise SettingsError(f"--pixel-size is {self.pixel_size!r}: give a length above 0")
        return wanted

    @property
    def size(self) -> tuple[float, float, float, str] | None:
        """The voxel's size and the short name of its unit; None if it is not given.

        Raises
        ------
        SettingsError
            If a length is not above 0, or the unit is not known.
        """
        if self.spacing is None:
            return None
        z, y, x = LENGTH.check_all(self.spacing, "--spacing", 3)
        return z, y, x, short_unit(self.unit)


@dataclass(frozen=True)
class WorkOptions:
    """Who does the work: this process, several, or the workers of a Dask cluster."""

    workers: Annotated[
        int,
        typer.Option(help=f"Processes on this machine, at most {WORKERS.maximum:,}.", rich_help_panel=WORK),
    ] = 1
    scheduler: Annotated[
        str,
        typer.Option(
            help="Address of a Dask scheduler, in their place, such as tls://10.0.0.1:8786. Who can connect "
            "to it can run code there.",
            rich_help_panel=WORK,
        ),
    ] = ""
    tls_ca: Annotated[
        Path | None,
        typer.Option(
            help="For tls://: a PEM file with the authority's certificates.",
            show_default=False,
            rich_help_panel=WORK,
        ),
    ] = None
    tls_cert: Annotated[
        Path | None,
        typer.Option(
            help="For tls://: a PEM file with your certificate.", show_default=False, rich_help_panel=WORK
        ),
    ] = None
    tls_key: Annotated[
        Path | None,
        typer.Option(help="For tls://: a PEM file with its key.", show_default=False, rich_help_panel=WORK),
    ] = None
    gpus: Annotated[
        bool,
        typer.Option(
            "--gpus",
            help="A tile or image takes one GPU of a Dask worker's resources.",
            rich_help_panel=WORK,
        ),
    ] = False
    threads: Annotated[
        int, typer.Option(help="Threads in each process; 0 shares the cores.", rich_help_panel=WORK)
    ] = 0

    @property
    def tls(self) -> TlsFiles:
        """The TLS files as a process in another folder finds them."""
        paths = (self.tls_ca, self.tls_cert, self.tls_key)
        return TlsFiles(*("" if path is None else str(path.absolute()) for path in paths))

    def check(self) -> None:
        """Refuse what cannot be done, and warn of a scheduler that everybody can use.

        Raises
        ------
        SettingsError
            If a number is out of its range, GPUs are asked for where there is no scheduler to give them, or
            the scheduler's address and the TLS files do not fit each other.
        """
        WORKERS.check(self.workers, "--workers")
        THREADS.check(self.threads, "--threads")
        if self.gpus and not self.scheduler:
            raise SettingsError(
                "--gpus shares out the GPUs of a cluster: give the address of its --scheduler"
            )
        if self.scheduler:
            check_address(self.scheduler, self.tls)
            if warning := open_to_others(self.scheduler):
                complain(f"warning: {warning}")
        elif any(self.tls):
            raise SettingsError("the TLS files are for a Dask scheduler: give the address of its --scheduler")


def with_groups(command: F) -> F:
    """Give a command the options of the groups among its arguments, and one for each parameter.

    Parameters
    ----------
    command : callable
        Takes groups, which are dataclasses whose fields are annotated for typer, as arguments of their class,
        other arguments as typer wants them, and with ``**parameters`` those of `AmgSettings`.
    """
    own: list[inspect.Parameter] = []
    groups: dict[str, Any] = {}
    for parameter in inspect.signature(command).parameters.values():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            own += settings_options()
        elif is_dataclass(parameter.annotation):
            groups[parameter.name] = parameter.annotation
            own += [
                inspect.Parameter(
                    item.name, inspect.Parameter.KEYWORD_ONLY, default=item.default, annotation=item.type
                )
                for item in fields(parameter.annotation)
            ]
        else:
            own.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    @wraps(command)
    def collected(**values: Any) -> Any:
        made = {
            name: group(**{item.name: values.pop(item.name) for item in fields(group)})
            for name, group in groups.items()
        }
        return command(**made, **values)

    collected.__signature__ = inspect.Signature(own)  # type: ignore[attr-defined]
    collected.__annotations__ = {p.name: p.annotation for p in own}
    return collected  # type: ignore[return-value]
