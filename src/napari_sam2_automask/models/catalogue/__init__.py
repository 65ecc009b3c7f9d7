"""Which models there are, and getting and checking their files."""
