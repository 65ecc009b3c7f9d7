"""The form of all generator parameters, made by magicgui from `AmgSettings.fields()`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from magicgui.widgets import create_widget
from psygnal import Signal
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QFormLayout,
    QLabel,
    QSizePolicy,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from napari_sam2_automask._napari.common.plain_words import plain
from napari_sam2_automask._napari.settings.grid_edit import PointGridEdit
from napari_sam2_automask._napari.settings.length_box import Measure
from napari_sam2_automask._napari.settings.list_edit import ListEdit
from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.settings.amg import AmgSettings, FieldInfo
from napari_sam2_automask.settings.fields import GROUPS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from magicgui.widgets.bases import BaseValueWidget

    from napari_sam2_automask.settings.amg import PointGrids
    from napari_sam2_automask.settings.units import Pixel

__all__ = ["SettingsForm", "ignore_stray_wheel"]

#: Digits kept of what a slider says; its integer steps would otherwise give 0.6999.
DIGITS = 4
#: Width of the titles in pixels, the same in all groups so that the columns line up.
LABEL_WIDTH = 118


class SettingsForm:
    """Widgets for every field of :class:`AmgSettings`, in groups.

    The settings object is the truth and the widgets show it: a value that a widget rounds for display is
    not changed by being shown.

    Parameters
    ----------
    pick_points : callable
        Returns (x, y) points in fractions of the image, for the point grid, or None if there are none.

    Attributes
    ----------
    widgets : dict of str to magicgui widget
        By field name.
    measures : dict of str to Measure
        What shows lengths and areas in the layer's unit too, by field name.
    native : QWidget
        What goes into a layout.
    changed : psygnal signal
        Emits the new settings when a person changed one.
    refused : psygnal signal
        Emits a one-line message when a value cannot be combined with the others.
    """

    changed = Signal(AmgSettings)
    refused = Signal(str)

    def __init__(self, pick_points: Callable[[], PointGrids | None]) -> None:
        self._settings = AmgSettings()
        self._showing = False
        self.widgets: dict[str, BaseValueWidget[Any]] = {}
        self.measures: dict[str, Measure] = {}
        self.native = QWidget()
        layout = QVBoxLayout(self.native)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for group, title in GROUPS.items():
            infos = [info for info in AmgSettings.fields() if info.group == group]
            if infos:
                self._add_group(layout, title, infos, pick_points)
        self._wheel_guard = ignore_stray_wheel(self.native)
        self.show(self._settings)

    @property
    def settings(self) -> AmgSettings:
        """The settings as they are now."""
        return self._settings

    def show(self, settings: AmgSettings) -> None:
        """Show other settings, without telling anyone."""
        self._settings = settings
        self._showing = True
        try:
            for name, widget in self.widgets.items():
                value = getattr(settings, name)
                if value is not None or isinstance(widget, PointGridEdit):
                    widget.value = value
            self.widgets["points_per_side"].enabled = settings.points_per_side is not None
        finally:
            self._showing = False

    def show_pixel(self, pixel: Pixel | None) -> None:
        """Show lengths and areas in the unit of such pixels, too; in pixels only if it is None."""
        for measure in self.measures.values():
            measure.show_pixel(pixel)

    def _add_group(
        self, layout: QVBoxLayout, title: str, infos: Sequence[FieldInfo], pick_points: Callable[..., Any]
    ) -> None:
        heading = QLabel(title)
        heading.setStyleSheet("font-weight: bold; margin-top: 4px;")
        layout.addWidget(heading)
        form = QFormLayout()
        form.setContentsMargins(2, 0, 0, 0)
        form.setHorizontalSpacing(8)
        form.setVerticalSpacing(3)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        for info in infos:
            widget = _make_widget(info, pick_points)
            widget.changed.connect(lambda value, info=info: self._take(info, value))
            self.widgets[info.name] = widget
            # Titles that count points, layers or pixels say so themselves.
            told = not info.unit or info.unit.rstrip("s") in info.title.lower()
            label = QLabel(info.title if told else f"{info.title} ({info.unit})")
            label.setToolTip(tooltip(info))
            label.setWordWrap(True)
            label.setFixedWidth(LABEL_WIDTH)
            widget.native.setAccessibleName(info.title)
            widget.native.setSizePolicy(
                QSizePolicy.Policy.Ignored, widget.native.sizePolicy().verticalPolicy()
            )
            widget.native.setToolTip(tooltip(info))
            form.addRow(label, self._row(info, widget))
        layout.addLayout(form)

    def _row(self, info: FieldInfo, widget: BaseValueWidget[Any]) -> QWidget:
        """Return what stands beside a title: the widget, and one in the layer's unit if it has a size."""
        if not info.power:
            return cast("QWidget", widget.native)
        self.measures[info.name] = Measure(widget, info)
        return self.measures[info.name]

    def _take(self, info: FieldInfo, value: Any) -> None:
        """Take a value that a person gave; put the old one back if it cannot be."""
        if self._showing:
            return
        if info.kind is float:
            value = round(float(value), DIGITS)
        try:
            if info.reader is not None and isinstance(value, str):
                value = info.reader(value)
            settings = self._settings.adjusted(**self._changes(info.name, value))
        except SettingsError as error:
            self.show(self._settings)
            self.refused.emit(plain(error))
            return
        if settings != self._settings:
            self.show(settings)
            self.changed.emit(settings)

    def _changes(self, name: str, value: Any) -> dict[str, Any]:
        """Return what changes with a value: a grid excludes points per side, and every crop layer has one."""
        grids, layers = self._settings.point_grids, self._settings.crop_n_layers
        changes = {name: value}
        if name == "crop_n_layers":
            layers = value
        if name == "point_grids":
            grids = value
            side = int(self.widgets["points_per_side"].value)
            changes["points_per_side"] = None if value else side
        if grids:
            missing = layers + 1 - len(grids)
            changes["point_grids"] = tuple(grids) + (grids[-1],) * max(0, missing)
        return changes


def tooltip(info: FieldInfo) -> str:
    """Return the explanation of a parameter: what it does, its range, default and name in code."""
    default = (
        "none" if info.default in (None, ()) else f"{info.default:g}" if info.kind is float else info.default
    )
    parts = [info.help]
    if info.range_text:
        parts.append(f"Range: {info.range_text}.")
    parts.append(f"SAM 2 default: {default}." if info.name != "overlap" else f"Default: {default}.")
    return " ".join(parts) + f"\n\nIn Python: {info.name}"


def _make_widget(info: FieldInfo, pick_points: Callable[[], PointGrids | None]) -> BaseValueWidget[Any]:
    """Let magicgui make the widget for one field."""
    if info.writer is not None:
        return ListEdit(info.writer, f"such as {info.example}")
    if info.kind is tuple:
        return PointGridEdit(pick_points)
    if info.kind is bool:
        return _create(info, {"text": ""})
    if info.kind is str:
        return _create(info, {"choices": [(choice.replace("_", " "), choice) for choice in info.choices]})
    fraction = info.kind is float and info.minimum == 0 and info.maximum is not None and info.maximum <= 1
    options = {
        "min": info.minimum,
        "max": info.maximum,
        "step": info.step,
        "widget_type": "FloatSlider" if fraction else "SpinBox" if info.kind is int else "FloatSpinBox",
    }
    widget = _create(info, options)
    for box in [widget.native, *widget.native.findChildren(QAbstractSpinBox)]:
        if hasattr(box, "setDecimals"):
            box.setDecimals(2)
        if fraction and box is not widget.native:
            # The rest of the row is the slider's; napari's own style gives spin boxes a minimum width.
            box.setStyleSheet("background: transparent; border: 0; min-width: 34px; max-width: 34px;")
        if isinstance(box, QAbstractSpinBox):
            box.setKeyboardTracking(False)  # typing 12 is one change, not 1 and then 12
    return widget


def _create(info: FieldInfo, options: dict[str, Any]) -> BaseValueWidget[Any]:
    widget = create_widget(value=info.default, annotation=info.kind, options=options)
    return cast("BaseValueWidget[Any]", widget)


class _WheelGuard(QObject):
    """Keeps the mouse wheel for scrolling the form: it changes no value that is not being edited."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is None or event.type() != QEvent.Type.Wheel:
            return False
        if not isinstance(watched, QWidget) or watched.hasFocus():
            return False
        event.ignore()
        return True


def ignore_stray_wheel(parent: QWidget) -> QObject:
    """Make the wheel scroll past spin boxes, sliders and combo boxes in `parent` that have no focus."""
    guard = _WheelGuard(parent)
    for kind in (QAbstractSpinBox, QSlider, QComboBox):
        for child in parent.findChildren(kind):
            child.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            child.installEventFilter(guard)
    return guard
