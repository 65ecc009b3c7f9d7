"""What a run keeps and writes: its folder, its OME-Zarr and its table."""
