"""The docs agree with the code they describe."""

from __future__ import annotations

import subprocess
import sys

import pytest
from places import ROOT


def test_tables_of_parameters_and_presets_are_up_to_date():
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "make_tables.py"), "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda p: p.name
)
def test_links_to_files_lead_somewhere(page):
    import re

    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)", text):
        if not target.startswith(("http:", "https:", "mailto:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


def test_pictures_show_the_package_as_it_is():
    import json

    sys.path.insert(0, str(ROOT / "docs"))
    from picture_facts import FACTS, IMAGES, facts

    known = json.loads(FACTS.read_text(encoding="utf-8"))
    pictures = sorted(path.name for path in IMAGES.iterdir() if path.suffix in (".png", ".jpg", ".gif"))
    assert sorted(known) == pictures
    now = facts()
    stale = [name for name, then in known.items() if then != now]
    assert not stale, f"made with other weights or presets: {stale}; make them again by docs/make_*.py"
