"""What docs/models.md says about files is what the registry says."""

from __future__ import annotations

import pytest
from places import ROOT

from napari_sam2_automask.models import ModelEntry, list_models

PAGE = (ROOT / "docs" / "models.md").read_text("utf-8")


@pytest.mark.parametrize(
    "entry", [entry for entry in list_models() if not entry.is_own], ids=lambda entry: entry.name
)
def test_the_page_and_the_registry_agree(entry: ModelEntry) -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{entry.name}` |"))
    assert entry.licence in row
    if entry.is_bundled:
        return
    assert f"| {entry.bytes / 1e6:.0f} MB |" in row
    assert f"| `{entry.file_name}` | {entry.bytes:,} | `{entry.sha256}` |" in PAGE
