"""Reading layers of the viewer: their pixels, channels, places and regions; makes no choice."""
