"""A run from the press of the button to layers in the viewer."""
