"""What all tests share: where a display is, and what a skipped one means."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest
from places import DATA

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# With this set (the continuous integration sets it) nothing may be skipped for want of a display, of a
# build tool or of data: what cannot run has to fail.
REQUIRE_ALL = bool(os.environ.get("SAM2_AUTOMASK_REQUIRE_ALL"))
# Fixtures of napari that open a viewer.
_VIEWERS = {"make_napari_viewer", "make_napari_viewer_proxy"}

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A script's background job ignores Ctrl+C and hands that down to the programs that tests start
    # and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(
    trylast=True
)  # pytest-xvfb, where it finds Xvfb, gives each process a screen of its own first
def pytest_configure(config: pytest.Config) -> None:
    """Tell Qt to draw into memory where there is no display (it aborts otherwise), and load torch."""
    # What pytest-xdist directs from opens no window, and hands its environment down.
    directs = config.getoption("dist", "no") != "no" and "PYTEST_XDIST_WORKER" not in os.environ
    if directs:
        return
    if not _has_display():
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    # As the package loads it; most tests import torch themselves. Threads of two processes that spin while
    # they wait take the cores from each other: learning took several times as long.
    from napari_sam2_automask.models.runtime.process_guards import patient_openmp

    with patient_openmp():
        import torch  # noqa: F401


@pytest.fixture(autouse=True, scope="session")
def _runs_in_the_background_have_ended() -> Iterator[None]:
    """Wait for processes that have told their result and are about to end."""
    yield
    module = sys.modules.get("napari_sam2_automask.large.background")
    for process in () if module is None else module._children:
        process.wait(60)


def _has_display() -> bool:
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Where tests run in several processes, keep those of a file together: they share what takes long."""
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a display without one, unless skipping is forbidden."""
    if _has_display() or REQUIRE_ALL:
        if any(_VIEWERS & set(getattr(item, "fixturenames", ())) for item in items):
            # Triton, which torchvision loads, and Mesa bring LLVM each, and the process ends at once
            # if Triton's comes second: it comes first, whatever the order of the tests.
            import torchvision  # noqa: F401
        return
    skip = pytest.mark.skip(reason="needs a display: install Xvfb, see the README")
    for item in items:
        # A viewer's canvas asks for OpenGL as soon as it has a layer, and drawing into memory has none.
        if item.get_closest_marker("display") or _VIEWERS & set(getattr(item, "fixturenames", ())):
            item.add_marker(skip)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """Turn a skip into a failure where nothing may be skipped."""
    report = yield
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but nothing may be skipped here: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Return the folder with the small images and ground truth that ship with the tests."""
    return DATA


@pytest.fixture(scope="session")
def network() -> Any:
    """Return a model of the bundled shape with random weights, the same ones always."""
    import torch

    from napari_sam2_automask.models import Model
    from napari_sam2_automask.models.networks.bundled import build_bundled

    torch.manual_seed(0)
    return Model("bundled", build_bundled().eval(), torch.device("cpu"), "bundled", None, "bundled")
