"""Building the networks, and reading their weights."""
