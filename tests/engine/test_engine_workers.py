"""Batches on several threads: in order, stopped at once, and torch left as it was."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
import torch

from napari_sam2_automask.engine.lanes import in_order
from napari_sam2_automask.models.runtime.process_guards import patient_openmp, wait_patiently


@pytest.mark.parametrize("cores", [1, 2, 7])
def test_results_come_in_order_from_as_many_threads(cores: int) -> None:
    before = torch.get_num_threads()
    together = threading.Barrier(min(cores, 4), timeout=20)
    names = set()

    def work(item: int, tick: object) -> int:
        if item < together.parties:
            together.wait()
        names.add(threading.current_thread().name)
        assert torch.is_inference_mode_enabled() or cores == 1
        assert cores == 1 or torch.get_num_threads() == cores // together.parties
        return item * item

    assert list(in_order(work, range(20), cores, lambda: None)) == [i * i for i in range(20)]
    assert (threading.current_thread().name in names) == (cores == 1)
    assert torch.get_num_threads() == before


def test_an_error_arrives_in_its_place_and_ends_the_others() -> None:
    ended, before = [], set(threading.enumerate())

    def work(item: int, tick: object) -> int:
        if item == 1:
            raise ValueError("one")
        if item == 2:
            while True:
                try:
                    tick()
                except BaseException:
                    ended.append(item)
                    raise
        return item

    results = in_order(work, range(50), 2, lambda: None)
    assert next(results) == 0
    with pytest.raises(ValueError, match="one"):
        next(results)
    assert ended in ([2], [])  # it may not have begun
    assert set(threading.enumerate()) <= before


def test_whoever_ticks_can_stop_it() -> None:
    begun, before = threading.Event(), set(threading.enumerate())

    def work(item: int, tick: object) -> None:
        begun.set()
        while True:
            tick()

    def stop() -> None:
        if begun.is_set():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(in_order(work, range(5), 2, stop))
    assert set(threading.enumerate()) <= before


def test_programs_wait_without_spinning_unless_told_otherwise() -> None:
    """GNU's OpenMP says what it was told; what a user has set stays."""
    room = "napari_sam2_automask.models.runtime"
    code = f"from {room}.process_guards import wait_patiently; wait_patiently(); import torch"
    for told, expected in ((None, "PASSIVE"), ("ACTIVE", "ACTIVE")):
        environment = {**os.environ, "OMP_DISPLAY_ENV": "TRUE"}
        environment.pop("OMP_WAIT_POLICY", None)
        if told:
            environment["OMP_WAIT_POLICY"] = told
        done = subprocess.run(
            [sys.executable, "-c", f"{code}; import os; print(os.environ['OMP_WAIT_POLICY'])"],
            capture_output=True, text=True, timeout=300, check=True, env=environment,
        )  # fmt: skip
        assert done.stdout.split() == [expected]
        if sys.platform == "linux":
            assert f"OMP_WAIT_POLICY = '{expected}'" in done.stderr


def test_the_environment_is_left_alone_where_torch_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    wait_patiently()
    assert "OMP_WAIT_POLICY" not in os.environ
    with patient_openmp():
        assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    assert "OMP_WAIT_POLICY" not in os.environ
