"""Tiles: where they lie, and how objects at their seams become one."""
