"""What is run on each tile: loaded once per process, described in the manifest."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from napari_sam2_automask.workers.process import check_stopped, model_of, use_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_sam2_automask.large.tiles.grid import Place
    from napari_sam2_automask.settings.amg import AmgSettings

    #: Takes pixels (Y, X) or (Y, X, colours) and where they are from; returns labels (Y, X) and one score per
    #: label, in ascending order; also the counts of `Agreement`, of a model that names centres.
    SegmentTile: TypeAlias = Callable[[NDArray[Any], Place], tuple[NDArray[Any], ...]]

__all__ = ["ModelSegmenter", "Segmenter"]


class Segmenter(Protocol):
    """Describes how tiles are segmented; small, immutable, and can be sent to another process."""

    def description(self) -> dict[str, Any]:
        """Return all that the labels depend on, as JSON-able values."""
        ...

    def load(self) -> SegmentTile:
        """Return the function that segments a tile; called once per process."""
        ...


@dataclass(frozen=True)
class ModelSegmenter:
    """SAM 2's automatic masks with the settings of this package.

    Attributes
    ----------
    settings : AmgSettings
        The settings, resolved for the model.
    model : str
        A name from the registry, or the path of a model file.
    device : str
        ``"cuda"``, ``"mps"`` or ``"cpu"``: a definite one, since the workers need not be where the run is
        directed.
    contrast_limits : (float, float) or None
        Intensities shown as black and white, the same for every tile. None is for 8-bit colour images only:
        else each tile would be stretched by itself.
    rgb : bool
        Whether the tiles' last axis holds colours.
    threads : int
        Threads that torch uses in each process; part of the manifest since results may differ in the last
        bits.
    """

    settings: AmgSettings
    model: str = "bundled"
    device: str = "cpu"
    contrast_limits: tuple[float, float] | None = None
    rgb: bool = False
    threads: int = 1

    def description(self) -> dict[str, Any]:
        """Return all that the labels depend on, as JSON-able values."""
        # Only what the file tells is asked for; this process may have no such device.
        model = model_of(self.model, "cpu")
        # A learned model may be called otherwise when a run is gone on with.
        name = model.name if model.card is None else model.card.name
        return {
            "settings": self.settings.to_json(),
            "model": {"name": name, "sha256": model.sha256, "config": model.config},
            "device": self.device,
            "threads": self.threads,
            "contrast_limits": None if self.contrast_limits is None else list(self.contrast_limits),
            "rgb": self.rgb,
            "software": {name: version(name) for name in ("napari-sam2-automask", "sam2", "torch")},
        }

    def load(self) -> SegmentTile:
        """Load the model and return the function that segments a tile."""
        from napari_sam2_automask.engine.points.agreement import Agreement
        from napari_sam2_automask.engine.points.fitted_grid import crops
        from napari_sam2_automask.image.picture import LoadedImage
        from napari_sam2_automask.pipeline import choose_and_paint, propose_views

        use_threads(self.threads)
        model = model_of(self.model, self.device)

        def segment_tile(pixels: NDArray[Any], place: Place) -> tuple[NDArray[Any], ...]:
            views = LoadedImage(pixels, self.rgb).views(self.contrast_limits)
            spacing = self.settings.object_diameter / self.settings.points_per_diameter
            windows = None
            if place.rows and spacing:
                windows = crops(place.shape, place.rows, place.columns, spacing, place.outer[:2])
            agreement = Agreement()
            found = propose_views(
                views, self.settings, model, crops=windows, agreement=agreement, progress=check_stopped
            )
            result = choose_and_paint(found, self.settings)
            return result.labels, result.table["predicted_iou"].to_numpy(), agreement.counts

        return segment_tile
