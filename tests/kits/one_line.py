"""The command line in this process, and errors that have to be one line."""

from __future__ import annotations

import sys

import pytest

from napari_sam2_automask import cli


def run(capsys, monkeypatch, *arguments):
    """Run the command line in this process; return the exit code and the lines on standard error."""
    monkeypatch.setattr(sys, "argv", ["sam2-automask", *map(str, arguments)])
    with pytest.raises(SystemExit) as exited:
        cli.main()
    lines = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    return exited.value.code, lines


def check(code, lines, words):
    """Make sure that a command ended with one line that holds some words."""
    assert code == 1
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    for word in words:
        assert word in lines[0]
