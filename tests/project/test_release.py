"""What a release consists of: one version, one address, a manifest for the hub, docs that are true."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from places import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
HOME = PROJECT["urls"]["Homepage"]
RAW = HOME.replace("github.com", "raw.githubusercontent.com") + "/main/"
#: What conda-forge calls differently.
CONDA = {"torch": "pytorch", "dask": "dask-core"}


def test_the_version_stands_in_one_place_and_the_others_agree():
    done = subprocess.run(["bash", ".ci/version"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, f"version {PROJECT['version']}"), done.stderr


def test_a_tag_of_another_version_is_refused():
    done = subprocess.run(
        ["bash", ".ci/version", "v9.9.9"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "v9.9.9 is not" in done.stderr


def test_the_address_of_the_repository_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    recipe = yaml.safe_load((ROOT / "recipe" / "recipe.yaml").read_text(encoding="utf-8"))
    assert citation["repository-code"] == HOME
    assert f"repo_url: {HOME}\n" in site
    assert f"site_url: {PROJECT['urls']['Documentation']}\n" in site
    assert recipe["about"]["repository"] == HOME
    assert recipe["about"]["documentation"] == PROJECT["urls"]["Documentation"]


def test_the_recipe_wants_what_the_package_wants():
    recipe = yaml.safe_load((ROOT / "recipe" / "recipe.yaml").read_text(encoding="utf-8"))
    wanted = []
    for requirement in PROJECT["dependencies"]:
        name, version = re.fullmatch(r"([\w-]+)(.*)", requirement).groups()
        wanted.append(f"{CONDA.get(name, name)} {version}")
    assert sorted(recipe["requirements"]["run"][1:]) == sorted(wanted)
    (entry,) = recipe["build"]["python"]["entry_points"]
    assert entry == "sam2-automask = " + PROJECT["scripts"]["sam2-automask"]


def test_napari_finds_nothing_wrong_with_the_manifest():
    command = [
        sys.executable,
        "-m",
        "npe2",
        "validate",
        str(ROOT / "src" / "napari_sam2_automask" / "napari.yaml"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "valid" in done.stdout


def test_the_icon_is_a_picture_in_the_package():
    manifest = yaml.safe_load((ROOT / "napari.yaml").read_text(encoding="utf-8"))
    package, _, name = manifest["icon"].partition(":")
    assert (ROOT / "src" / package / name).read_text(encoding="utf-8").startswith("<svg")


def test_pages_on_pypi_show_pictures_and_links():
    text = re.sub(r"```.*?```", "", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    # PyPI and the hub show the README without the files beside it.
    assert not re.findall(r"\]\((?!https?:|#)", text)
    ours = [a for a in re.findall(r"https://[^\s)>]+", text) if a.startswith((RAW, HOME + "/blob/main/"))]
    assert len(ours) > 5
    for address in ours:
        path = address.removeprefix(RAW).removeprefix(HOME + "/blob/main/").partition("#")[0]
        assert (ROOT / path).is_file(), f"README.md shows {address}, which is not in the repository"
    names = set(re.findall(r"\]\[([^\]]+)\]", text))
    assert names == set(re.findall(r"^\[([^\]]+)\]:", text, flags=re.MULTILINE))


def test_the_list_of_public_names_is_up_to_date():
    command = [sys.executable, str(ROOT / "docs" / "make_public_names.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_page_is_on_the_site_and_every_page_of_the_site_is_there():
    listed = set(re.findall(r"[\w/]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8")))
    assert listed == {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}


@pytest.mark.parametrize("page", ["python.md"])
def test_what_the_page_shows_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert blocks
    script = Path(tmp_path, "page.py")
    script.write_text("\n".join(blocks), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^0\.[678] \d+ \d+$", done.stdout, flags=re.MULTILINE), done.stdout
