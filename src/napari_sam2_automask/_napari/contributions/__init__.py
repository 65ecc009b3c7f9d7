"""What napari.yaml names: readers, writers, sample data; and the demo in the viewer."""
