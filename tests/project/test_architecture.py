"""The rooms are what docs/architecture.md says, arrows lead down, and names in the docs are in a face."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections import Counter
from functools import cache

import pytest
from places import ROOT

from napari_sam2_automask.selection.choosing import _PROPOSAL_ONLY
from napari_sam2_automask.settings.amg import AmgSettings

PACKAGE = "napari_sam2_automask"
SRC = ROOT / "src" / PACKAGE
PAGE = ROOT / "docs" / "architecture.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
#: More than this is a corridor again, not a house.
MOST_FILES, MOST_ROOMS = 10, 34
#: Lines of a function's body, signature and docstring apart.
LONGEST_BODY = 60


@pytest.fixture(scope="module")
def rooms():
    """Return docs/rooms.py as a module."""
    sys.path.insert(0, str(ROOT / "docs"))
    yield importlib.import_module("rooms")
    sys.path.remove(str(ROOT / "docs"))


@pytest.fixture(scope="module")
def imports(rooms):
    return rooms.read_imports()


def test_the_page_and_its_drawings_are_up_to_date():
    script = [sys.executable, str(ROOT / "docs" / "make_architecture.py"), "--check"]
    done = subprocess.run(script, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_no_module_is_in_a_circle(rooms, imports):
    assert rooms.circles_in(imports) == []


@pytest.mark.parametrize("package", [PACKAGE, f"{PACKAGE}._napari"])
def test_no_import_runs_up(rooms, imports, package):
    assert rooms.look_at(package, imports).rising == ()


def test_the_house_stays_small(rooms, imports):
    loose = [path.name for path in SRC.glob("*.py") if path.name != "__init__.py"]
    assert len(loose) <= MOST_FILES, loose
    assert len(rooms.look_at(PACKAGE, imports).floors) <= MOST_ROOMS


def lines_of_body(function):
    first, *rest = function.body
    told = ast.get_docstring(function, clean=False) is not None
    body = rest if told else [first, *rest]
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def test_a_body_is_counted_without_signature_and_docstring():
    functions = ast.parse('def f(\n  a,\n):\n  "It."\n  a = 1\n\n  return a\ndef g():\n  "It."').body
    assert [lines_of_body(function) for function in functions] == [3, 0]


def test_no_body_is_too_long_to_see():
    bodies = {
        f"{path.relative_to(SRC)}:{node.name}": lines_of_body(node)
        for path in SRC.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert len(bodies) > 1000
    assert {name: lines for name, lines in bodies.items() if lines > LONGEST_BODY} == {}


def test_floors_circles_and_what_runs_up_are_seen(rooms):
    """A package of rooms a > b > c, in which one module of c imports a, and two of b each other."""
    inside = {
        "a.one": {"b.one", "b.two", "c.one"},
        "b.one": {"c.one", "b.two"},
        "b.two": {"b.one", "c.two"},
        "c.one": {"c.two"},
        "c.two": {"a.one"},
    }
    arrows = Counter((a[0], b[0]) for a, found in inside.items() for b in found if a[0] != b[0])
    assert rooms.circles_in(inside) == [frozenset(inside)]
    down, up = rooms.split_by_direction(arrows)
    assert up == {("c", "a")}
    assert down == {("a", "b"): 2, ("a", "c"): 1, ("b", "c"): 2}
    assert rooms.floors_of(["a", "b", "c"], down) == {"a": 3, "b": 2, "c": 1}
    assert rooms.circles_in({**inside, "c.two": set()}) == [frozenset({"b.one", "b.two"})]


def test_only_needed_arrows_are_drawn(rooms):
    layout = importlib.import_module("room_layout")
    assert layout.essential([("a", "b"), ("b", "c"), ("a", "c"), ("a", "d")]) == [
        ("a", "b"),
        ("a", "d"),
        ("b", "c"),
    ]


@cache
def face(module):
    """Return the names that a package offers, or None if it is neither the top nor a room."""
    parts = module.split(".")
    if parts[0] != PACKAGE or len(parts) > 2:
        return None
    return set(getattr(importlib.import_module(module), "__all__", ()))


def imported_names(page):
    """Return every (module, name) of the package that a page imports in Python or names in its text."""
    text = page.read_text(encoding="utf-8")
    found = []
    for code in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
                found += [(node.module, alias.name) for alias in node.names]
            elif isinstance(node, ast.Import):
                found += [(a.name, "") for a in node.names if a.name.startswith(f"{PACKAGE}.")]
    for dotted in re.findall(rf"`{PACKAGE}((?:\.\w+)+)`", text):
        module, _, name = f"{PACKAGE}{dotted}".rpartition(".")
        found.append((module, name))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_names_in_the_docs_are_at_the_top_or_in_a_face(page):
    for module, name in imported_names(page):
        names = face(module)
        assert names is not None, f"{page.name} imports from {module}, which is no room"
        assert name in names, f"{page.name} imports {name}, which is not in the face of {module}"


def test_what_the_page_names_is_there():
    """Every path, test and other name in backticks exists, so that instructions cannot go stale unseen."""
    text = re.sub(
        r"```.*?```|<!-- (\w[\w ]*): made by.*?<!-- end of \1 -->",
        "",
        PAGE.read_text("utf-8"),
        flags=re.DOTALL,
    )
    words = set()
    for folder in ("src", "tests", "docs", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py*"):
            if path.suffix in (".py", ".pyi"):
                words.update(re.findall(r"\w+", path.read_text(encoding="utf-8")))
    for token in re.findall(r"`([^`]+)`", text):
        if re.fullmatch(r"[a-z_.][a-z0-9_./-]*(/|\.(py|pyi|md|toml|yaml))", token):
            assert (ROOT / token).exists() or (SRC / token).exists(), f"there is no {token}"
        elif re.fullmatch(r"\w+", token):
            assert token in words, f"{token} is nowhere in the code"
        if re.fullmatch(r"test_\w+", token):
            tests = (path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
            assert any(f"def {token}(" in test for test in tests), f"there is no test {token}"


def settings_read_in(*rooms):
    """Return the settings that the code of some rooms reads, by name."""
    names = {info.name for info in AmgSettings.fields()}
    nodes = (
        node
        for room in rooms
        for path in (SRC / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    )
    return {node.attr for node in nodes if isinstance(node, ast.Attribute)} & names


def test_a_setting_that_only_the_model_answers_is_refused_by_select():
    only = settings_read_in("engine", "proposal") - settings_read_in("selection", "candidates", "painting")
    # How many points are asked at a time changes memory and speed, not what is found.
    assert only - {"points_per_batch"} <= set(_PROPOSAL_ONLY)
