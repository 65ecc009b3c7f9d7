"""Tensors: products, workspaces, and the way between host and device."""
