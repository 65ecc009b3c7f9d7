"""Where the model is asked: grids, crops, and grids fitted to the objects."""
