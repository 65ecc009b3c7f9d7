"""Importing the sam2 package without its side effect on the rest of the process."""

from __future__ import annotations

import sys
import threading
from importlib import import_module

from napari_sam2_automask.errors import ModelError
from napari_sam2_automask.models.runtime.process_guards import avoid_triton_crash

__all__ = ["import_sam2"]

_LOCK = threading.Lock()


def import_sam2() -> None:
    """Import sam2 once, leaving the process's global Hydra as it was.

    ``import sam2`` initialises the global Hydra with its own configuration folder, unless one is initialised
    already. Another part of the program that uses Hydra would find it taken. We need no Hydra at all, so the
    import is made to believe that one is there. Call this before the first ``from sam2... import ...``; after
    it, sam2 can be imported anywhere in the usual way.

    Raises
    ------
    ModelError
        If the package cannot be imported.
    """
    with _LOCK:
        if "sam2" in sys.modules:
            return
        avoid_triton_crash()
        try:
            from hydra.core.global_hydra import GlobalHydra
        except ImportError as error:
            raise _not_importable(error) from error
        hydra = GlobalHydra.instance()
        before = hydra.hydra
        if before is None:
            hydra.hydra = object()  # type: ignore[assignment]
        try:
            import_module("sam2")
        except ImportError as error:
            raise _not_importable(error) from error
        finally:
            hydra.hydra = before


def _not_importable(error: ImportError) -> ModelError:
    return ModelError(
        f"The sam2 package cannot be imported ({error}). "
        "Install it with: SAM2_BUILD_CUDA=0 pip install sam2==1.1.0"
    )
