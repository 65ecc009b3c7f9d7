"""The napari widget: the only room that imports napari, magicgui and qtpy."""
