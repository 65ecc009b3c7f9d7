from __future__ import annotations

import numpy as np
import pytest
from dask_cluster import tls_cluster
from large_images import cells, tiled
from large_run import SIZES, Cheap

from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.large.output.omezarr import open_levels
from napari_sam2_automask.large.run import segment_large
from napari_sam2_automask.large.source.source import ArraySource, FileSource
from napari_sam2_automask.large.tiles.grid import Grid
from napari_sam2_automask.progress import Cancelled
from napari_sam2_automask.workers.dask_executor import DaskExecutor
from napari_sam2_automask.workers.process import threads_for
from napari_sam2_automask.workers.process_executor import ProcessExecutor


@pytest.fixture(scope="module")
def processes():
    with ProcessExecutor(2) as executor:
        yield executor


@pytest.fixture(scope="module")
def dask(tmp_path_factory):
    with tls_cluster(tmp_path_factory.mktemp("tls")) as (client, _):
        yield DaskExecutor(client)


@pytest.fixture(params=["processes", "dask"])
def executor(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def image(tmp_path):
    pixels = cells((300, 420), seed=8, large=2)[0]
    np.save(tmp_path / "image.npy", pixels)
    return pixels


def run(tmp_path, executor, segmenter, **kwargs):
    source = FileSource(str(tmp_path / "image.npy"))
    return segment_large(source, tmp_path / "a.zarr", segmenter, **SIZES, executor=executor, **kwargs)


def test_workers_share_the_tiles_and_give_the_same_labels(executor, image, tmp_path):
    log = tmp_path / "log"
    result = run(tmp_path, executor, Cheap(str(log), seconds=0.05))
    pids = log.read_text().split()
    assert len(pids) == len(Grid(image.shape, 128, 32)) and len(set(pids)) == 2
    np.testing.assert_array_equal(open_levels(result.path)[0][0], tiled(image, Grid(image.shape, 128, 32))[0])


def test_a_killed_worker_costs_its_tile_only(processes, image, tmp_path):
    log, grid = tmp_path / "log", Grid(image.shape, 128, 32)
    image[grid[4].outer.y0, grid[4].outer.x0] = 255
    np.save(tmp_path / "image.npy", image)
    once = tmp_path / "died"
    result = run(tmp_path, processes, Cheap(str(log), seconds=0.05, die_at=255, die_once=str(once)))
    assert once.exists() and result.failed == {}
    # The other worker goes on meanwhile. What the dead one was doing is begun twice, and at most one more
    # that it had done without having said so.
    assert len(grid) + 1 <= len(log.read_text().split()) <= len(grid) + 2
    np.testing.assert_array_equal(open_levels(result.path)[0][0], tiled(image, grid)[0])


def test_a_tile_that_fails_is_set_aside(processes, image, tmp_path):
    grid = Grid(image.shape, 128, 32)
    image[grid[1].outer.y0, grid[1].outer.x0] = 255
    np.save(tmp_path / "image.npy", image)
    result = run(tmp_path, processes, Cheap(fail_at=255))
    assert list(result.failed) == [1] and result.failed[1]["attempts"] == 3
    assert "this tile cannot be segmented" in result.failed[1]["errors"][0]


def test_a_cancelled_run_can_go_on_without_the_workers(processes, image, tmp_path):
    def stop(p):
        if p.stage == "tiles" and p.done == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        run(tmp_path, processes, Cheap(), progress=stop)
    result = segment_large(FileSource(str(tmp_path / "image.npy")), tmp_path / "a.zarr", Cheap(), **SIZES)
    np.testing.assert_array_equal(open_levels(result.path)[0][0], tiled(image, Grid(image.shape, 128, 32))[0])


def test_an_image_in_memory_is_not_sent_with_every_task(processes, tmp_path):
    with pytest.raises(SettingsError, match="give its path"):
        segment_large(
            ArraySource(np.zeros((2000, 2000), np.uint8)),
            tmp_path / "a.zarr",
            Cheap(),
            executor=processes,
        )


def test_workers_and_threads():
    assert threads_for(10**6) == 1
    with pytest.raises(SettingsError, match="workers must be 1 to 1024"):
        ProcessExecutor(0)
