"""Where the tests, their kits, their data and the checkout lie."""

from pathlib import Path

KITS = Path(__file__).resolve().parent
TESTS = KITS.parent
DATA = TESTS / "data"
ROOT = TESTS.parent
