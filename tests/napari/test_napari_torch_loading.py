"""PyTorch is loaded late, on the inference thread, beside a viewer that draws with OpenGL."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from napari_sam2_automask._napari.common import torch_loading
from napari_sam2_automask.models.runtime import process_guards


@pytest.mark.display
def test_torch_and_torchvision_load_while_a_window_is_open():
    """Where OpenGL draws with LLVM, as under Xvfb, importing Triton after it would end the process."""
    code = """
import napari
from qtpy.QtWidgets import QApplication
viewer = napari.Viewer()
QApplication.processEvents()
import os, sys, threading
assert "torch" not in sys.modules
from napari_sam2_automask._napari.common.torch_loading import load_torch
def load():
    load_torch()
    assert "OMP_WAIT_POLICY" not in os.environ
    from napari_sam2_automask.models import import_sam2
    import_sam2()
    import torch, torchvision
    print("sum", torch.ones(3).sum().item())
thread = threading.Thread(target=load)
thread.start()
while thread.is_alive():
    QApplication.processEvents()
viewer.close()
"""
    environment = {**os.environ, "OMP_DISPLAY_ENV": "TRUE"}
    environment.pop("OMP_WAIT_POLICY", None)
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert "sum 3.0" in done.stdout
    if sys.platform == "linux":  # GNU's OpenMP says what it was told
        assert "OMP_WAIT_POLICY = 'PASSIVE'" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="the clash is one of Linux' OpenGL drivers")
@pytest.mark.parametrize(("maps", "shut_out"), [("7f00 libLLVM-15.so.1", True), ("7f00 libc.so.6", False)])
def test_triton_is_shut_out_only_beside_another_llvm(monkeypatch, maps, shut_out):
    monkeypatch.delitem(sys.modules, "triton", raising=False)
    monkeypatch.setattr(process_guards, "find_spec", lambda name: object())
    monkeypatch.setattr(process_guards.Path, "read_text", lambda *_, **__: maps)
    assert process_guards.avoid_triton_crash() == shut_out
    assert ("triton" in sys.modules) == shut_out
    if shut_out:
        with pytest.raises(ImportError):
            import triton  # noqa: F401
        monkeypatch.delitem(sys.modules, "triton")


def test_a_torch_that_cannot_be_loaded_is_explained(monkeypatch):
    class Broken:
        def find_spec(self, name, path=None, target=None):
            if name == "torch":
                raise OSError("[WinError 1114] Error loading c10.dll")

    for name in [name for name in sys.modules if name.split(".")[0] == "torch"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(torch_loading, "_load_libraries", lambda: False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(torch_loading.ModelError, match=r"c10\.dll.*import torch"):
        torch_loading.load_torch()
