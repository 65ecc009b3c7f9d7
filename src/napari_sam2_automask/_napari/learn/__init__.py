"""Learn from these: a model fitted to labels of open images, in a process of its own."""
