"""The manifest: the one that napari finds is the one at the top of the checkout."""

from __future__ import annotations

import importlib
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import yaml
from npe2 import PluginManifest
from places import ROOT

from napari_sam2_automask.samples import samples

NAME = "napari-sam2-automask"
TOP = ROOT / "napari.yaml"
INNER = ROOT / "src" / "napari_sam2_automask" / "napari.yaml"


def top_manifest() -> PluginManifest:
    """Read the manifest at the top, a symlink to the one in the package."""
    assert TOP.exists(), f"{TOP} is missing"
    text = TOP.read_text("utf-8")
    if not TOP.is_symlink() and text.strip() == "src/napari_sam2_automask/napari.yaml":
        pytest.fail(
            "this checkout has no symlinks, so napari.yaml at the top is only a path: "
            "git config core.symlinks true, then git checkout napari.yaml"
        )
    return PluginManifest.model_validate(yaml.safe_load(text))


def contents(manifest: PluginManifest) -> dict:
    return manifest.model_dump(exclude={"package_metadata"}, exclude_unset=True)


def test_the_top_file_is_the_one_in_the_package():
    top_manifest()
    assert TOP.read_text("utf-8") == INNER.read_text("utf-8")


def test_the_installed_manifest_is_the_top_file():
    assert contents(PluginManifest.from_distribution(NAME)) == contents(top_manifest())


def test_a_wheel_has_the_same_manifest(tmp_path):
    # Built without isolation: the build needs nothing from the network.
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert not [name for name in names if name.startswith(("tests/", "model_training/", "benchmarks/"))]
        archive.extractall(tmp_path / "installed")
    # A fresh process in which only the wheel's copy is found.
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import napari_sam2_automask\n"
        "assert napari_sam2_automask.__file__.startswith(sys.argv[1]), napari_sam2_automask.__file__\n"
        "from npe2 import PluginManifest\n"
        f"manifest = PluginManifest.from_distribution({NAME!r})\n"
        "print(manifest.model_dump_json(exclude={'package_metadata'}, exclude_unset=True))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "installed")],
        capture_output=True, text=True, timeout=300, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert contents(PluginManifest.model_validate_json(done.stdout)) == contents(top_manifest())


def test_every_command_points_at_something():
    for command in top_manifest().contributions.commands:
        module, name = command.python_name.split(":")
        assert callable(getattr(importlib.import_module(module), name)), command.id


def test_the_widget_is_in_the_plugins_menu_and_under_layers_segment():
    contributions = top_manifest().contributions
    (widget,) = contributions.widgets
    assert widget.display_name == "SAM 2 AutoMask"
    assert [item.command for item in contributions.menus["napari/layers/segment"]] == [widget.command]


def test_every_sample_is_offered_and_opens():
    offered = {sample.key: sample for sample in top_manifest().contributions.sample_data}
    assert set(offered) == {sample.name for sample in samples()}
    module = importlib.import_module("napari_sam2_automask._napari.contributions.sample_data")
    for sample in samples():
        assert offered[sample.name].display_name == sample.title
        (image, about, kind), (truth, _, truth_kind) = getattr(module, sample.name)()
        assert (kind, truth_kind) == ("image", "labels")
        assert image.shape[:2] == truth.shape
        assert image.dtype == np.uint8
        assert about["rgb"] == (image.ndim == 3)
        if image.ndim == 2:
            low, high = about["contrast_limits"]
            assert image.min() <= low < high <= image.max()
        assert truth.max() > 1


def test_there_is_no_other_sample():
    module = importlib.import_module("napari_sam2_automask._napari.contributions.sample_data")
    with pytest.raises(AttributeError, match="no_such"):
        module.no_such  # noqa: B018


def test_every_tool_of_mending_is_a_command():
    from napari_sam2_automask._napari.mend.tools import TOOLS

    commands = {command.id: command for command in top_manifest().contributions.commands}
    for tool in TOOLS:
        assert commands[f"napari-sam2-automask.mend_{tool}"].title.startswith("Mend: ")
