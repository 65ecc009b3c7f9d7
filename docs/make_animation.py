"""Draw docs/images/mend.gif: run, drag a line, add, split; about ten seconds of the window.

    python docs/make_animation.py [--sample NAME] [--out FILE]

Real presses and movements of the mouse; the pointer is drawn in: pictures of a window have none.
Needs a display; without one: `xvfb-run -a -s "-screen 0 1600x1000x24"`. The run is shown faster than it is.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from picture_facts import IMAGES, made
from PIL import Image, ImageDraw
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from scipy import ndimage
from staged_window import canvas_of, drag, draw, on_canvas, opened, wait_for_result

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

#: Of the window and of the picture, in pixels; the time of a frame in ms, and of one that is looked at.
SIZE, WIDTH, FRAME, LOOK = (1280, 720), 960, 90, 700
#: The most frames of the run.
RUN = 14
#: The outline of the pointer, in pixels from its tip.
POINTER = ((0, 0), (0, 17), (4, 13), (7, 20), (10, 19), (7, 12), (12, 12))


class Film:
    """Takes pictures of a window, with the pointer in it."""

    def __init__(self, window: QWidget) -> None:
        self._window = window
        self._at = QPoint(SIZE[0] // 2, SIZE[1] // 2)
        self.frames: list[Image.Image] = []
        self.times: list[int] = []

    def take(self, time: int = FRAME) -> None:
        """Take a picture that shows for a time in ms."""
        picture = self._window.grab().toImage()
        picture.convertTo(picture.Format.Format_RGB888)
        bits = picture.constBits()
        if hasattr(bits, "setsize"):  # PyQt's
            bits.setsize(picture.sizeInBytes())
        rows = np.frombuffer(bits, np.uint8).reshape(picture.height(), picture.bytesPerLine())
        pixels = rows[:, : picture.width() * 3].reshape(picture.height(), picture.width(), 3)
        frame = Image.fromarray(pixels.copy())
        tip = [(self._at.x() + x, self._at.y() + y) for x, y in POINTER]
        ImageDraw.Draw(frame).polygon(tip, fill="white", outline="black")
        self.frames.append(
            frame.resize((WIDTH, round(WIDTH * frame.height / frame.width)), Image.Resampling.LANCZOS)
        )
        self.times.append(time)

    def go(self, widget: QWidget, point: QPoint, steps: int = 5) -> None:
        """Move the pointer to a point of a widget."""
        start, end = self._at, widget.mapTo(self._window, point)
        for step in range(1, steps + 1):
            self._at = start + (end - start) * step / steps
            self.take(FRAME // 2)

    def at(self, widget: QWidget, point: QPoint) -> None:
        """Put the pointer at a point of a widget, and take a picture."""
        self._at = widget.mapTo(self._window, point)
        self.take()

    def press(self, widget: QWidget, point: QPoint | None = None) -> None:
        """Go to a widget and click."""
        point = widget.rect().center() if point is None else point
        self.go(widget, point)
        QTest.mouseMove(widget, point)
        QTest.mouseClick(widget, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, point)
        draw(0.3)
        self.take()

    def thin(self, begun: int, most: int) -> None:
        """Keep at most so many of the frames taken since `begun` frames."""
        keep = np.unique(np.linspace(begun, len(self.frames) - 1, most).round().astype(int))
        self.frames[begun:] = [self.frames[k] for k in keep]
        self.times[begun:] = [self.times[k] for k in keep]

    def save(self, path: Path) -> None:
        """Write the film, with one palette for all frames."""
        # From the second half: the first is gray, and the colours of the objects have to be among the 160.
        sheet = np.concatenate(
            [np.asarray(frame)[::4, ::4] for frame in self.frames[len(self.frames) // 2 :: 4]]
        )
        palette = Image.fromarray(sheet).quantize(160, method=Image.Quantize.MAXCOVERAGE)
        frames = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in self.frames]
        frames[0].save(
            path, save_all=True, append_images=frames[1:], duration=self.times, loop=0, optimize=True
        )
        made(path)
        megabytes = path.stat().st_size / 1e6
        print(f"{path}: {len(frames)} frames, {sum(self.times) / 1000:.1f} s, {megabytes:.1f} MB")


def main() -> None:
    """Read the arguments and make the film."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sample", default="fluorescence_nuclei")
    parser.add_argument("--out", type=Path, default=IMAGES / "mend.gif")
    asked = parser.parse_args()
    viewer, widget = opened(asked.sample, SIZE)
    film = Film(widget.window())
    film.take(LOOK)
    film.press(widget.run_panel.button)
    begun = len(film.frames)
    while widget.running:
        draw(0.2)
        film.take()
    film.thin(begun, RUN)
    wait_for_result(widget)
    film.take(LOOK)
    before = labels_of(widget).copy()

    sure = widget.live.sliders.sure
    y, begin, end = sure.height() // 2, sure.width() // 3, sure.width() * 4 // 5
    film.go(sure, QPoint(begin, y))
    drag(
        sure,
        [QPoint(x, y) for x in range(begin, end, 14)],
        pause=0.25,
        seen=lambda point: film.at(sure, point),
    )
    draw(1.0)
    film.take(LOOK)

    canvas = canvas_of(viewer)
    film.press(widget.mend.buttons["add"])
    for place in vanished(before, labels_of(widget)):
        film.press(canvas, on_canvas(viewer, *place))
        draw(0.7)
        film.take()
    film.take(LOOK)

    film.press(widget.mend.buttons["split"])
    stroke = [on_canvas(viewer, *point) for point in stroke_across_the_largest(labels_of(widget))]
    film.go(canvas, stroke[0])
    drag(canvas, stroke, pause=0.1, seen=lambda point: film.at(canvas, point))
    draw(1.0)
    film.take(2 * LOOK)
    film.save(asked.out)
    viewer.close()


def labels_of(widget: object) -> np.ndarray:
    """Return the labels that show."""
    return np.asarray(widget.live.live_layer.layer.data)


def vanished(before: np.ndarray, now: np.ndarray, most: int = 2) -> list[tuple[int, int]]:
    """Return places in the middle of objects that the line has hidden, the largest first."""
    sizes = np.bincount(before[now == 0], minlength=1)
    sizes[np.unique(now[before > 0])] = 0  # these show still, as far as their numbers tell
    sizes[0] = 0
    return [inside((before == label) & (now == 0)) for label in sizes.argsort()[::-1][:most] if sizes[label]]


def inside(mask: np.ndarray) -> tuple[int, int]:
    """Return the pixel of a mask that is farthest from its outline."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    return int(y), int(x)


def stroke_across_the_largest(labels: np.ndarray) -> list[tuple[float, float]]:
    """Return points from side to side across the largest object, where it is long."""
    label = int(np.bincount(labels.ravel())[1:].argmax()) + 1
    y, x = np.nonzero(labels == label)
    middle = np.array([y.mean(), x.mean()])
    spread = np.cov(np.stack([y, x]))
    short = np.linalg.eigh(spread)[1][:, 0]
    reach = 2.6 * float(np.sqrt(np.linalg.eigvalsh(spread)[0])) + 3
    return [tuple(middle + short * reach * step) for step in np.linspace(-1, 1, 9)]


if __name__ == "__main__":
    main()
