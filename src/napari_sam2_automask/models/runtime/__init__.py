"""Devices, and what has to be told torch and sam2 in this process."""
