"""Windows of annotated images, cut and varied."""
