"""The image encoder, and the features that are kept of it."""
