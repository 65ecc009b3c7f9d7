"""Settings from a few labelled objects."""
