"""The real download code against a server on loopback that imitates the hub, well-behaved and not."""

from __future__ import annotations

import base64
import dataclasses
import errno
import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from fake_hub import FakeHub, serve

from napari_sam2_automask.errors import ModelError
from napari_sam2_automask.models import ModelEntry, download, verify
from napari_sam2_automask.models.catalogue import streaming, transfer
from napari_sam2_automask.progress import Cancelled, Progress

if TYPE_CHECKING:
    from pathlib import Path

CANCEL_WITHIN = 2.0  # seconds: a second is promised, and this machine may be busy
CONTENT = bytes(hashlib.shake_256(b"weights").digest(300_000))
ENTRY = ModelEntry(
    name="test-model",
    title="Test",
    purpose="For tests.",
    family="sam2",
    file_name="weights.pt",
    size=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    repo="someone/test-model",
    revision="0123456789abcdef0123456789abcdef01234567",
    licence="CC0-1.0",
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAM2_AUTOMASK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(transfer, "_WAITS", (0.01, 0.01))
    return tmp_path / "home" / "models"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch):
    with serve(CONTENT) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        yield hub


class Watch:
    """Collects progress, and cancels when asked to."""

    def __init__(self, cancel_at: int | None = None, cancel_after: float | None = None) -> None:
        self.reports: list[Progress] = []
        self._at = cancel_at
        self._after = cancel_after
        self._start = time.monotonic()
        self.cancelled_at = 0.0

    def __call__(self, progress: Progress) -> None:
        self.reports.append(progress)
        late = self._after is not None and time.monotonic() - self._start > self._after
        if late or (self._at is not None and progress.done >= self._at):
            self.cancelled_at = time.monotonic()
            raise Cancelled


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def part(folder: Path) -> Path:
    return folder / f"weights.pt.{ENTRY.sha256[:8]}.part"


def test_a_good_file_arrives_whole_with_counted_progress(hub: FakeHub, folder: Path) -> None:
    watch = Watch()
    assert ENTRY.state == "needs download"
    path = download(ENTRY, watch)
    assert path == folder / "weights.pt"
    assert path.read_bytes() == CONTENT
    assert left_over(folder) == ["weights.pt"]
    assert ENTRY.state == "downloaded"
    assert hub.requests == [(f"/someone/test-model/resolve/{ENTRY.revision}/weights.pt", None)]
    done = [report.done for report in watch.reports]
    assert done == sorted(done) and done[0] == 0 and done[-1] == len(CONTENT)
    assert {(report.stage, report.total) for report in watch.reports} == {("download", len(CONTENT))}


def test_without_a_known_revision_the_main_branch_is_asked_for(hub: FakeHub) -> None:
    download(dataclasses.replace(ENTRY, revision=None))
    assert hub.requests[0][0] == "/someone/test-model/resolve/main/weights.pt"


def test_a_file_that_is_there_is_not_asked_for_again(hub: FakeHub) -> None:
    download(ENTRY)
    asked = len(hub.requests)
    assert download(ENTRY).read_bytes() == CONTENT
    assert len(hub.requests) == asked


WRONG_CONTENTS = [  # how the server answers, what the message has to say
    ("truncated:1000", "1000 bytes instead of 300000"),
    ("unsized:1000", "could not be downloaded"),
    ("unsized:400000", "larger"),
    ("flip:0", "SHA-256"),
    ("flip:299999", "SHA-256"),
    ("html", "web page"),
    ("disguised-html", "SHA-256"),
    ("status:404", "404"),
    ("status:403", "403"),
    ("status:503", "503"),
    ("status:416", "could not go on"),
]


@pytest.mark.parametrize(("word", "message"), WRONG_CONTENTS)
def test_wrong_contents_never_get_the_files_name(hub: FakeHub, folder: Path, word: str, message: str) -> None:
    hub.plan = [word]
    with pytest.raises(ModelError, match=message) as caught:
        download(ENTRY)
    text = str(caught.value)
    for fact in ("test-model", str(folder), "weights.pt", ENTRY.page):  # what is needed to do it by hand
        assert fact in text
    assert "\n" not in text
    assert not ENTRY.target.exists()
    assert ENTRY.state == "needs download"
    # And afterwards a good server is enough.
    hub.plan = ["good"]
    assert download(ENTRY).read_bytes() == CONTENT
    assert left_over(folder) == ["weights.pt"]


def test_a_dropped_connection_is_gone_on_with(hub: FakeHub) -> None:
    hub.plan = ["drop:100000", "drop:50000", "status:503", "good"]
    assert download(ENTRY).read_bytes() == CONTENT
    asked = [wanted for _, wanted in hub.requests]
    assert asked[0] is None
    starts = [int(wanted.removeprefix("bytes=").rstrip("-")) for wanted in asked[1:]]
    assert len(starts) == 3 and 0 < starts[0] < starts[1] == starts[2]
    assert hub.sent <= len(CONTENT) + 2 * 16_384  # no byte is sent twice, but for what was under way


def test_what_came_in_before_giving_up_is_kept_for_the_next_call(hub: FakeHub, folder: Path) -> None:
    hub.plan = ["drop:100000", "drop:0"]
    with pytest.raises(ModelError, match=r"after 0 of 0 MB \(kept\)"):
        download(ENTRY)
    kept = part(folder).stat().st_size
    assert kept > 0
    hub.plan = ["good"]
    watch = Watch()
    assert download(ENTRY, watch).read_bytes() == CONTENT
    assert hub.requests[-1][1] == f"bytes={kept}-"
    assert watch.reports[0].done == kept


@pytest.mark.parametrize("word", ["no-range", "wrong-range"])
def test_a_server_that_ignores_the_range_does_not_spoil_the_file(
    hub: FakeHub, folder: Path, word: str
) -> None:
    hub.plan = ["drop:100000", word, "good"]
    assert download(ENTRY).read_bytes() == CONTENT


def test_a_range_that_cannot_be_satisfied_starts_over(hub: FakeHub, folder: Path) -> None:
    folder.mkdir(parents=True)
    part(folder).write_bytes(CONTENT[:1000])
    hub.plan = ["status:416", "good"]
    assert download(ENTRY).read_bytes() == CONTENT
    assert [wanted for _, wanted in hub.requests] == ["bytes=1000-", None]


@pytest.mark.parametrize("size", [1000, len(CONTENT), len(CONTENT) + 1])
def test_a_part_of_another_file_is_found_out(hub: FakeHub, folder: Path, size: int) -> None:
    folder.mkdir(parents=True)
    part(folder).write_bytes(b"\0" * size)
    assert download(ENTRY).read_bytes() == CONTENT
    assert left_over(folder) == ["weights.pt"]


def test_no_network(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free.getsockname()[1]}")
    with pytest.raises(ModelError, match="Connect to the network") as caught:
        download(ENTRY)
    for fact in (str(folder), "weights.pt", ENTRY.page):
        assert fact in str(caught.value)


def test_offline_mode_of_the_hub_is_obeyed_at_once(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(transfer, "_wait", lambda *args: pytest.fail("not one wait is worth it"))
    with pytest.raises(ModelError, match="offline mode is enabled"):
        download(ENTRY)
    assert hub.requests == []


def test_cancelling_midway_keeps_what_came_in(hub: FakeHub, folder: Path) -> None:
    hub.plan = ["slow:4096", "good"]
    watch = Watch(cancel_at=20_000)
    with pytest.raises(Cancelled):
        download(ENTRY, watch)
    assert time.monotonic() - watch.cancelled_at < CANCEL_WITHIN
    kept = part(folder).stat().st_size
    assert 20_000 <= kept < len(CONTENT)
    assert not ENTRY.target.exists()
    assert download(ENTRY).read_bytes() == CONTENT
    assert hub.requests[-1][1] == f"bytes={kept}-"


@pytest.mark.parametrize("word", ["silent", "stall:50000"])
def test_cancelling_works_while_the_network_is_silent(hub: FakeHub, word: str) -> None:
    hub.plan = [word]
    watch = Watch(cancel_after=0.5)
    with pytest.raises(Cancelled):
        download(ENTRY, watch)
    assert time.monotonic() - watch.cancelled_at < CANCEL_WITHIN
    stamps = len(watch.reports)
    assert stamps >= 2  # at least every 0.3 s, also with nothing to report


def test_the_reading_thread_ends_when_nobody_reads_on(monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(threading.enumerate())  # of earlier tests
    with serve(CONTENT * 40) as hub:  # more than the queue between the two threads holds
        with streaming.open_url(f"{hub.endpoint}/file", 0, lambda: None) as answer:
            next(answer.body)
        end = time.monotonic() + 10
        while any(thread.name == "model download" for thread in set(threading.enumerate()) - before):
            assert time.monotonic() < end, "the thread still waits for its reader"
            time.sleep(0.05)


def test_cancelling_works_between_two_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(transfer, "_WAITS", (60.0,))
    watch = Watch(cancel_after=0.5)
    with pytest.raises(Cancelled):
        download(ENTRY, watch)
    assert time.monotonic() - watch.cancelled_at < CANCEL_WITHIN


def test_a_silent_server_counts_as_broken_in_the_end(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "_TIMEOUT", 0.3)
    hub.plan = ["stall:50000", "good"]
    assert download(ENTRY).read_bytes() == CONTENT
    assert len(hub.requests) == 2


def test_two_processes_share_one_download(hub: FakeHub, folder: Path) -> None:
    hub.plan = ["slow:8192"]
    code = (
        "import json, sys\n"
        "from napari_sam2_automask.models import ModelEntry, download\n"
        "seen = []\n"
        "entry = ModelEntry(**json.loads(sys.argv[1]))\n"
        "path = download(entry, lambda progress: seen.append(progress.done))\n"
        "assert 'torch' not in sys.modules\n"
        "print(json.dumps([str(path), seen[-1]]))\n"
    )
    command = [sys.executable, "-c", code, json.dumps(dataclasses.asdict(ENTRY))]
    runs = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for run in runs:
        out, err = run.communicate(timeout=600)
        assert run.returncode == 0, err
        assert json.loads(out) == [str(folder / "weights.pt"), len(CONTENT)]
    assert (folder / "weights.pt").read_bytes() == CONTENT
    assert len(hub.requests) == 1


def test_a_file_put_there_by_hand_is_taken(hub: FakeHub, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "weights.pt").write_bytes(CONTENT)
    assert download(ENTRY) == folder / "weights.pt"
    assert hub.requests == []


@pytest.mark.parametrize("bad", [CONTENT[:-1] + b"!", CONTENT[:1000]], ids=["changed", "cut off"])
def test_a_bad_file_put_there_by_hand_is_moved_aside(hub: FakeHub, folder: Path, bad: bytes) -> None:
    folder.mkdir(parents=True)
    (folder / "weights.pt").write_bytes(bad)
    assert download(ENTRY).read_bytes() == CONTENT
    assert (folder / "weights.pt.bad").read_bytes() == bad


def test_a_good_file_in_the_hugging_face_cache_is_used_where_it_is(hub: FakeHub, tmp_path: Path) -> None:
    cached = tmp_path / "hub" / "models--someone--test-model" / "snapshots" / "abc" / "weights.pt"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(CONTENT)
    assert ENTRY.state == "downloaded"
    assert download(ENTRY) == cached
    assert hub.requests == []


def test_a_bad_file_in_the_hugging_face_cache_is_left_alone_and_not_used(
    hub: FakeHub, tmp_path: Path
) -> None:
    cached = tmp_path / "hub" / "models--someone--test-model" / "snapshots" / "abc" / "weights.pt"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"\0" * len(CONTENT))
    assert download(ENTRY) == ENTRY.target
    assert cached.read_bytes() == b"\0" * len(CONTENT)


def test_a_file_that_changes_after_it_was_checked_is_checked_again(hub: FakeHub) -> None:
    path = download(ENTRY)
    path.write_bytes(b"\0" * len(CONTENT))
    os.utime(path, ns=(1, 1))
    assert download(ENTRY).read_bytes() == CONTENT
    assert len(hub.requests) == 2


def test_a_changed_file_of_the_same_size_and_time_is_not_taken(hub: FakeHub) -> None:
    path = download(ENTRY)
    before = path.stat()
    path.write_bytes(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size and path.stat().st_mtime_ns == before.st_mtime_ns
    assert download(ENTRY).read_bytes() == CONTENT
    assert len(hub.requests) == 2


def test_what_somebody_noted_of_hashes_is_not_believed(hub: FakeHub, folder: Path) -> None:
    path = download(ENTRY)
    state = path.stat()
    path.write_bytes(b"\0" * len(CONTENT))
    notes = {str(path.resolve()): [state.st_size, path.stat().st_mtime_ns, ENTRY.sha256]}
    (folder.parent / "hashes.json").write_text(json.dumps(notes))
    assert download(ENTRY).read_bytes() == CONTENT


def test_a_folder_that_cannot_be_written_to(hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    with pytest.raises(ModelError, match="SAM2_AUTOMASK_HOME") as caught:
        download(ENTRY)
    assert "cannot be stored in" in str(caught.value)
    assert hub.requests == []


def test_too_little_disk_space_is_said_before_anything_is_fetched(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda path: type("", (), {"free": 1000})())
    with pytest.raises(ModelError, match=r"needs 0 MB and .* has 0 MB free"):
        download(ENTRY)
    assert hub.requests == []


def test_a_disk_that_fills_up_on_the_way(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(transfer.os, "fsync", full)
    with pytest.raises(ModelError, match="No space left on device"):
        download(ENTRY)
    monkeypatch.undo()


def test_verify_reads_the_whole_file(hub: FakeHub) -> None:
    with pytest.raises(ModelError, match="is not downloaded"):
        verify(ENTRY)
    path = download(ENTRY)
    watch = Watch()
    assert verify(ENTRY, watch) == ENTRY.sha256
    assert watch.reports[-1] == Progress("verify", len(CONTENT), len(CONTENT))
    stamp = path.stat().st_mtime_ns
    path.write_bytes(b"\0" * len(CONTENT))
    os.utime(path, ns=(stamp, stamp))  # as if the disk had changed it
    with pytest.raises(ModelError, match="is damaged"):
        verify(ENTRY)
    path.write_bytes(b"\0")
    with pytest.raises(ModelError, match="the file there has 1 bytes"):
        verify(ENTRY)


def test_a_bundled_model_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = dataclasses.replace(
        ENTRY, name="bundled", repo="", size=None, sha256=None, file_name="none.bin"
    )
    for ask in (download, verify):
        with pytest.raises(ModelError, match=r"missing from the installation.*Install the package again"):
            ask(missing)


def test_the_bundled_model_is_compared_with_the_installers_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "bundled.bin"
    file.write_bytes(CONTENT)
    bundled = dataclasses.replace(ENTRY, repo="", size=None, sha256=None, file_name=str(file))
    assert bundled.target == file
    site = tmp_path / "napari_sam2_automask-0.dist-info"
    site.mkdir()
    (site / "METADATA").write_text("Name: napari-sam2-automask\nVersion: 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for content, good in ((CONTENT, True), (CONTENT[1:], False)):
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        (site / "RECORD").write_text(f"bundled.bin,sha256={digest},{len(content)}\n")
        if good:
            assert verify(bundled) == ENTRY.sha256
        else:
            with pytest.raises(ModelError, match="Install the package again"):
                verify(bundled)


def test_verify_can_be_cancelled(hub: FakeHub) -> None:
    download(ENTRY)
    with pytest.raises(Cancelled):
        verify(ENTRY, Watch(cancel_at=0))
