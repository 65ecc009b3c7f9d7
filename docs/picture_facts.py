"""What the docs' pictures were made with, so that a test can tell those that show an earlier package."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from PIL import Image

from napari_sam2_automask.models.catalogue.registry import find_entry
from napari_sam2_automask.settings.presets import PRESETS

#: Where the pictures are, and the file that says what they were made with.
IMAGES = Path(__file__).parent / "images"
FACTS = IMAGES / "made_with.json"
#: Of a PNG.
COLOURS = 160


def facts() -> dict[str, str]:
    """Return hashes of the bundled weights and of the presets' settings, as a picture made now has them."""
    weights = find_entry("bundled").path.read_bytes()
    presets = {name: preset.for_model("bundled").to_json() for name, preset in PRESETS.items()}
    text = json.dumps(presets, sort_keys=True)
    return {
        name: hashlib.sha256(data).hexdigest()
        for name, data in (("weights", weights), ("presets", text.encode()))
    }


def made(path: Path) -> None:
    """Write down that a picture of the docs was made now; make a PNG small."""
    if path.suffix == ".png":
        with Image.open(path) as picture:
            small = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        small.save(path, optimize=True)
    if path.resolve().parent != IMAGES.resolve():
        return
    known = json.loads(FACTS.read_text(encoding="utf-8")) if FACTS.exists() else {}
    known[path.name] = facts()
    FACTS.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
