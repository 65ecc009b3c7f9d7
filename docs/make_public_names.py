"""Write the docs' list of public names from the package's face; `--check` only compares."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import napari_sam2_automask as package

PAGE = Path(__file__).parent / "public_names.md"
BEGIN, END = "<!-- names -->\n", "<!-- end of names -->\n"


def first_sentence(value: object) -> str:
    """Return what a docstring begins with, on one line."""
    text = inspect.getdoc(value) or ""
    return re.sub(r"\s+", " ", text.split("\n\n")[0]).replace("|", r"\|")


def described(name: str) -> str:
    """Return one name's row of the table."""
    value = getattr(package, name)
    kind = "class" if inspect.isclass(value) else "function" if callable(value) else "value"
    about = first_sentence(value) if kind != "value" else ABOUT[name]
    return f"| `{name}` | {kind} | {about} |"


ABOUT = {
    "PRESETS": "The presets by name: settings for each family of models.",
    "__version__": "The version of the package.",
}
"""Values have no docstrings of their own."""


def made(page: str) -> str:
    """Return the page with its table made anew."""
    rows = [described(name) for name in sorted(package.__all__, key=str.lower)]
    table = "\n".join(["| name | | what it is |", "|---|---|---|", *rows]) + "\n"
    before, rest = page.split(BEGIN)
    return before + BEGIN + table + END + rest.split(END)[1]


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    if "--check" in sys.argv:
        if made(text) != text:
            sys.exit("docs/public_names.md is out of date: python docs/make_public_names.py")
    else:
        PAGE.write_text(made(text), encoding="utf-8")
