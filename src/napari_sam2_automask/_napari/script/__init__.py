"""The lines of Python and the command that repeat a run."""
