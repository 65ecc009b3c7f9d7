"""The form of settings, presets and models."""
