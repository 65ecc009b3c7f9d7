"""Large images in a process of their own: starting, watching and resuming runs."""
