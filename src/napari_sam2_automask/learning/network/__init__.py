"""The network while it learns: what is asked of it, its losses, its steps."""
