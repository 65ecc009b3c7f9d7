"""Generated scenes, so that what the model knew is not forgotten."""
