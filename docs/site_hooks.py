"""What the docs site adds to the pages: links out of docs/ lead to the repository, and the icon is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
ICON = ROOT / "src" / "napari_sam2_automask" / "icon.svg"


def on_files(files: Files, config: Any) -> Files:
    """Add the icon under the name that mkdocs.yml gives it; it stands once, in the package."""
    files.append(File.generated(config, config.theme["logo"], abs_src_path=str(ICON)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Turn `../src/...` into the address of that file or folder in the repository."""

    def address(match: re.Match[str]) -> str:
        target = match[1]
        kind = "tree" if (ROOT / target.partition("#")[0]).is_dir() else "blob"
        return f"]({config.repo_url.rstrip('/')}/{kind}/main/{target})"

    return re.sub(r"\]\(\.\./([^)]+)\)", address, markdown)
