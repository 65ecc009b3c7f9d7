"""A large run as one value: what the command line, the viewer and a background process all start from."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.progress import ProgressCallback, no_progress
from napari_sam2_automask.settings.amg import ALL_LEVELS, AmgSettings
from napari_sam2_automask.settings.filters import is_of_intensity
from napari_sam2_automask.settings.numbers import (
    COUNT,
    INDEX,
    INTENSITY,
    LENGTH,
    PLACE,
    THREADS,
    TILE,
    WORKERS,
    plain,
    shown,
)

if TYPE_CHECKING:
    from napari_sam2_automask.files.web_address import Address
    from napari_sam2_automask.large.run import LargeResult
    from napari_sam2_automask.large.source.source import FileSource

__all__ = ["LargeSpec"]

_NUMBERS = {
    "channel": INDEX, "level": INDEX, "series": INDEX, "tile": TILE, "overlap": COUNT, "workers": WORKERS,
    "threads": THREADS, "interval": LENGTH, "start": PLACE,
}  # fmt: skip
_ROWS = {"contrast_limits": (INTENSITY, 2), "spacing": (LENGTH, 3), "origin": (PLACE, 3)}
# Unknown names that a message tells.
_TOLD = 5
_SWITCHES = ("allow_missing", "gpus", "keep_tiles")
_MAY_BE_NONE = ("series", "unit", "contrast_limits", "axis", "interval")


def _checked(name: str, value: Any) -> Any:
    """Return a value of a run in its own type; a SettingsError says why it cannot be."""
    if name == "settings" or (value is None and name in _MAY_BE_NONE):
        return value
    if name in _NUMBERS:
        return _NUMBERS[name].check(value, name)
    if name in _ROWS:
        bound, count = _ROWS[name]
        return bound.check_all(value, name, count)
    if isinstance(value, PurePath):
        return str(value)
    kind = bool if name in _SWITCHES else str
    if not isinstance(plain(value), kind):
        allowed = "true or false" if kind is bool else "text"
        raise SettingsError(f"{name} must be {allowed}, but is {shown(value)}: choose such a value")
    if name == "axis" and value not in ("z", "t"):
        raise SettingsError(f"axis is {shown(value)}: use 'z' or 't'")
    return plain(value)


@dataclass(frozen=True)
class LargeSpec:
    """All that a large run is told.

    Attributes
    ----------
    image : str
        Path of a TIFF, Zarr array, OME-Zarr image or ``.npy`` file.
    output : str
        Path of the OME-Zarr to write, such as ``"image_labels.ome.zarr"``.
    settings : AmgSettings
        The settings, resolved for the model.
    model, device : str
        As for `load_model`; with `scheduler`, the device must be a definite one.
    axes : str
        The image's axes, see `ArraySource`; taken from the file when empty.
    channel, level : int
        Which channel, and which level of a pyramid.
    allow_missing : bool
        Whether chunks may be missing from a Zarr array.
    contrast_limits : (float, float), optional
        Intensities shown as black and white; percentiles over the whole image when left out.
    tile : int
        Side of a tile, in pixels.
    overlap : int
        Least width of the strip that neighbouring tiles share, in pixels; 0 chooses it, see `tiling_for`.
    spacing : (float, float, float)
        Distance between planes, height and width of a pixel.
    unit : str, optional
        UDUNITS-2 name of the unit of length, such as ``"micrometer"``.
    axis : {"z", "t"}, optional
        What the planes are where the file does not tell, or has one axis of them; see `segment_large`.
    interval, start : float
        Seconds between time points, None where they are not known, and up to the first one.
    origin : (float, float, float)
        Where the centre of the first pixel lies, in `unit`; see `segment_large`.
    workers : int
        Processes on this machine; 1 is this process alone.
    scheduler : str
        Address of a Dask scheduler, used instead of processes on this machine; see `connect` for what is
        trusted.
    tls_ca, tls_cert, tls_key : str
        Paths of PEM files for a scheduler at a ``tls://`` address: the authority's certificates, that of this
        client and its key.
    gpus : bool
        Give each tile one ``GPU`` of a Dask worker's resources.
    threads : int
        Threads of torch in each process; 0 shares the machine's cores among the workers.
    keep_tiles : bool
        Keep the results of the tiles when all is done.
    series : int, optional
        Which image of a file with several.

    Raises
    ------
    SettingsError
        If a value is of another type or lies outside of its range, or the settings ask for all levels: one
        label image is written.
    """

    image: str
    output: str
    settings: AmgSettings
    model: str = "bundled"
    device: str = "auto"
    axes: str = ""
    channel: int = 0
    level: int = 0
    allow_missing: bool = False
    contrast_limits: tuple[float, float] | None = None
    tile: int = 1024
    overlap: int = 0
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    unit: str | None = None
    axis: str | None = None
    interval: float | None = None
    start: float = 0.0
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    workers: int = 1
    scheduler: str = ""
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    gpus: bool = False
    threads: int = 0
    keep_tiles: bool = False
    series: int | None = None

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            object.__setattr__(self, item.name, _checked(item.name, getattr(self, item.name)))
        if self.settings.overlap == ALL_LEVELS:
            raise SettingsError(
                f"overlap={ALL_LEVELS} gives several label images, a large run writes one: choose "
                "another overlap"
            )
        of_intensity = [name for name, *_ in self.settings.filters if is_of_intensity(name)]
        if of_intensity:
            raise SettingsError(
                f"filters by {of_intensity[0]} are not known of a large run, which measures shapes "
                "alone: leave it out, or segment a smaller image"
            )
        if self.settings.measures or self.settings.expand_distance > 0:
            raise SettingsError(
                "measures and cells (expand_distance) are not taken of a large run, whose objects are added "
                "up from blocks: leave them out, or segment a smaller image"
            )

    def to_json(self) -> dict[str, Any]:
        """Return JSON-able values, for `from_json`."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        described: dict[str, Any] = json.loads(json.dumps(values | {"settings": self.settings.to_json()}))
        return described

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> LargeSpec:
        """Return the run that `to_json` described.

        Raises
        ------
        SettingsError
            If a name is unknown or missing, or a setting is out of its range.
        """
        if not isinstance(values, Mapping):
            raise SettingsError(f"this does not describe a run over a large image, but is {shown(values)}")
        known = {f.name for f in dataclasses.fields(cls)}
        unknown, missing = (
            sorted(set(map(str, values)) - known),
            sorted({"image", "output", "settings"} - set(values)),
        )
        if unknown or missing:
            wrong = (
                f"unknown: {', '.join(map(shown, unknown[:_TOLD]))}"
                if unknown
                else f"missing: {', '.join(missing)}"
            )
            raise SettingsError(f"this does not describe a run over a large image ({wrong})")
        return cls(**(dict(values) | {"settings": AmgSettings.from_json(values["settings"])}))

    def run(self, progress: ProgressCallback = no_progress, image: Address | None = None) -> LargeResult:
        """Do it; see `segment_large` for what is raised and what can be picked up again.

        Parameters
        ----------
        progress : callable
            Takes a `Progress` at every task; may raise `Cancelled`.
        image : Address, optional
            The image, where a person gave its web address; a text in a file is never taken for one.

        Returns
        -------
        LargeResult
            Where everything lies.
        """
        from napari_sam2_automask.files.stored_image import naming

        with naming(Path(self.image)):
            return self._run(progress, image)

    def _run(self, progress: ProgressCallback, given: Address | None) -> LargeResult:
        from napari_sam2_automask.large.run import segment_large
        from napari_sam2_automask.large.source.sampling import contrast_of
        from napari_sam2_automask.large.source.source import FileSource
        from napari_sam2_automask.large.tile_segmenter import ModelSegmenter
        from napari_sam2_automask.large.tiles.tiling import tiling_for
        from napari_sam2_automask.models.catalogue.identity import by_hash
        from napari_sam2_automask.workers.clusters import workers_of
        from napari_sam2_automask.workers.process import threads_for
        from napari_sam2_automask.workers.tls import TlsFiles

        image = str(Path(self.image).absolute()) if given is None else given
        source = FileSource(image, self.axes, self.channel, self.level, self.allow_missing, self.series)
        shown_as_is = source.is_rgb and source.dtype == "uint8"
        limits = None if shown_as_is else self.contrast_limits or contrast_of(source)
        threads = self.threads or threads_for(self.workers)
        settings = self._fitted(source, limits)
        model = by_hash(self.model)  # workers may have another model of that name
        segmenter = ModelSegmenter(settings, model, self._device(), limits, source.is_rgb, threads)
        tls = TlsFiles(self.tls_ca, self.tls_cert, self.tls_key)
        with workers_of(self.workers, self.scheduler, self.gpus, tls) as executor:
            return segment_large(
                source,
                Path(self.output),
                segmenter,
                **tiling_for(settings, self.tile, self.overlap)._asdict(),
                spacing=self.spacing,
                unit=self.unit,
                axis=self.axis,
                interval=self.interval,
                start=self.start,
                origin=self.origin,
                keep_tiles=self.keep_tiles,
                executor=executor,
                progress=progress,
            )

    def _fitted(self, source: FileSource, limits: tuple[float, float] | None) -> AmgSettings:
        """Return the settings with one size of objects for all tiles, where they ask for an estimate."""
        from napari_sam2_automask.large.source.sampling import diameter_of

        if not self.settings.fit_objects or self.settings.object_diameter > 0:
            return self.settings
        diameter = diameter_of(
            source,
            self.tile,
            model=self.model,
            device="cpu" if self.scheduler else self._device(),
            rgb=source.is_rgb,
            contrast_limits=limits,
        )
        return self.settings.replace(fit_objects=diameter > 0, object_diameter=diameter)

    def _device(self) -> str:
        if self.device != "auto":
            return self.device
        if self.scheduler:
            raise SettingsError("on a cluster, the device must be named: use device 'cuda' or 'cpu'")
        from napari_sam2_automask.models import resolve_device

        return str(resolve_device("auto"))
