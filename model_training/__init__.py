"""How the bundled model is made; not part of the wheel."""
