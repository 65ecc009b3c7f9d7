"""The bundled sample images, for File > Open Sample."""

from __future__ import annotations
