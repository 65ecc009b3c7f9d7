"""Named settings for fine or coarse segmentation, each with a sentence on what it is for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.settings.amg import AmgSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PRESETS", "HasPresets", "Preset", "resolve_settings"]


class HasPresets(Protocol):
    """A model, or what is known of one, with presets of its own."""

    @property
    def family(self) -> str:
        """``"bundled"`` or ``"sam2"``."""

    @property
    def presets(self) -> Mapping[str, AmgSettings]:
        """Its own settings for coarse, balanced and fine; empty for models that have none."""


@dataclass(frozen=True, slots=True)
class Preset:
    """Settings with a name.

    Attributes
    ----------
    name, title : str
        How code and people call it.
    purpose : str
        One sentence: what it is for.
    settings : AmgSettings
        The settings for SAM 2.1 models and any model without settings of its own.
    per_model : mapping of str to AmgSettings
        Settings for model families whose scores are calibrated differently, by family name.
    role : str
        The name under which a model may bring settings of its own; empty where it may not.
    changes : mapping of str to Any
        What `adjusted` changed, for those as well.
    """

    name: str
    title: str
    purpose: str
    settings: AmgSettings
    per_model: Mapping[str, AmgSettings] = field(default_factory=dict)
    role: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)

    def for_model(self, model: str | HasPresets) -> AmgSettings:
        """Return the settings for a model, or for a model family (``"bundled"`` or ``"sam2"``)."""
        family = model if isinstance(model, str) else model.family
        own = None if isinstance(model, str) else model.presets.get(self.role)
        if own is None:
            return self.per_model.get(family, self.settings)
        return own.adjusted(**self.changes) if self.changes else own

    def adjusted(self, **changes: Any) -> Preset:
        """Return a preset of one's own, changed for every model as :meth:`AmgSettings.adjusted` does.

        Raises
        ------
        SettingsError
            If a name is unknown or a value out of range.
        """
        return Preset(
            f"custom (from {self.name})",
            f"Custom (from {self.title})",
            self.purpose,
            self.settings.adjusted(**changes),
            {family: settings.adjusted(**changes) for family, settings in self.per_model.items()},
            self.role,
            {**self.changes, **changes},
        )


_FINE = AmgSettings(
    points_per_side=32,
    pred_iou_thresh=0.7,
    stability_score_thresh=0.92,
    stability_score_offset=0.7,
    crop_n_layers=1,
    crop_n_points_downscale_factor=2,
    min_mask_region_area=25,
    use_m2m=True,
)

# The bundled model's thresholds gave the best mean F1 of those tried on held-out groups of its training data;
# leniency in gaps left half as many objects there without a label (benchmarks/quality/gaps.py). Its mask
# prompts have no effect, so that refining with them would only cost time. It knows where objects are and how
# large, so that points and magnification can follow: asked four times each they are found about as well as on
# a grid (docs/prompts.md says where not).
_BUNDLED = AmgSettings(
    pred_iou_thresh=0.65,
    stability_score_thresh=0.92,
    box_nms_thresh=0.3,
    min_mask_region_area=10,
    prompts="objects",
    fit_objects=True,
    points_per_diameter=2,
    gap_leniency=0.1,
    nested="choose",
    granularity=0.75,
)

#: The presets by name, from Meta's own defaults over coarse to fine.
PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        preset.name: preset if preset.name == "sam2-defaults" else replace(preset, role=preset.name)
        for preset in (
            Preset(
                "sam2-defaults",
                "SAM 2 defaults",
                "Exactly what Meta's generator does when told nothing: to compare with published results.",
                AmgSettings(),
            ),
            Preset(
                "coarse",
                "Coarse",
                "A quick look at large objects: few points, no crops, wholes before their parts.",
                AmgSettings(points_per_side=16, overlap="large_on_top"),
                {
                    "bundled": _BUNDLED.replace(
                        fit_objects=False,
                        points_per_side=16,
                        points_per_diameter=1,
                        pred_iou_thresh=0.7,
                        stability_score_thresh=0.9,
                        gap_leniency=0.0,
                        granularity=0.0,
                        overlap="large_on_top",
                    )
                },
            ),
            Preset(
                "balanced",
                "Balanced",
                "The one to start with: finds most objects of ordinary size in a reasonable time.",
                AmgSettings(pred_iou_thresh=0.75, stability_score_thresh=0.92),
                {"bundled": _BUNDLED},
            ),
            Preset(
                "fine",
                "Fine",
                "Small objects and parts in complex scenes: more points, a closer look, gentler thresholds, "
                "small regions cleaned.",
                _FINE,
                {
                    "bundled": _BUNDLED.replace(
                        pred_iou_thresh=0.55,
                        stability_score_thresh=0.9,
                        box_nms_thresh=0.5,
                        points_per_diameter=4,
                        granularity=1.0,
                    )
                },
            ),
        )
    }
)


def resolve_settings(
    settings: AmgSettings | Preset | str, model: str | HasPresets
) -> tuple[AmgSettings, Preset | None]:
    """Return the settings to use for a model, and the preset they come from if any.

    Parameters
    ----------
    settings : AmgSettings, Preset or str
        Settings as they are, a preset, or a preset's name.
    model : str or HasPresets
        The model, which may have presets of its own, or its family, ``"bundled"`` or ``"sam2"``.

    Raises
    ------
    SettingsError
        If there is no preset of that name.
    """
    if isinstance(settings, AmgSettings):
        return settings, None
    if isinstance(settings, str):
        if settings not in PRESETS:
            raise SettingsError(f"no preset named {settings!r}: choose from {', '.join(PRESETS)}")
        settings = PRESETS[settings]
    return settings.for_model(model), settings
