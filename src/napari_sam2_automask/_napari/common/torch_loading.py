"""Loading PyTorch beside a running viewer: without freezing it, and without crashing it."""

from __future__ import annotations

import ctypes
import os
import sys
from importlib.util import find_spec
from pathlib import Path

from napari_sam2_automask.errors import ModelError
from napari_sam2_automask.models.runtime.process_guards import avoid_triton_crash, patient_openmp

__all__ = ["load_torch", "warm_up_drawing"]


def load_torch() -> None:
    """Import torch on the calling thread, which is not the viewer's.

    Raises
    ------
    ModelError
        If its libraries cannot be loaded once Qt is running, as is known of some Windows machines.
    """
    if "torch" in sys.modules:
        return
    avoid_triton_crash()
    try:
        with patient_openmp():
            _load_libraries()
            import torch  # noqa: F401
    except OSError as error:
        raise ModelError(
            f"PyTorch cannot be loaded beside Qt on this computer ({error}): start napari with "
            'python -c "import torch; from napari.__main__ import main; main()"'
        ) from error


def _load_libraries() -> bool:
    """Load torch's shared libraries while the viewer goes on; return whether that was possible.

    Half of the time of the first import is spent in the dynamic loader, and Python's import holds the
    interpreter's lock all the while, which freezes the viewer. A foreign function called through ctypes does
    not; the import then finds the libraries loaded. Whatever fails here, the import does and reports itself.
    """
    spec = find_spec("torch")
    if sys.platform != "linux" or spec is None or spec.origin is None:
        return False
    folder = Path(spec.origin).parent / "lib"
    try:
        dlopen = ctypes.CDLL(None).dlopen
    except (OSError, AttributeError):
        return False
    dlopen.restype, dlopen.argtypes = ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_int]
    # The order and the flags of torch's own import.
    for name, scope in (("libtorch_global_deps.so", os.RTLD_GLOBAL), ("libtorch_python.so", os.RTLD_LOCAL)):
        if not dlopen(os.fsencode(folder / name), os.RTLD_LAZY | scope):
            return False
    return True


def warm_up_drawing() -> None:
    """Make on the calling thread what napari's first Labels layer of a process makes on the viewer's.

    The dash patterns and the code of the shapes that a Labels layer is edited with, and the import of pandas,
    take some 0.2 s together. Nothing of it touches OpenGL.
    """
    import numpy as np
    from napari.layers import Labels
    from vispy.scene.visuals import Ellipse, Line, Markers, Polygon  # type: ignore[import-untyped]

    corners = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    Labels(np.zeros((2, 2), np.uint8))
    Polygon(corners, border_width=1)
    Line(corners, method="agg")
    Markers(pos=corners)
    Ellipse(center=(0, 0))
