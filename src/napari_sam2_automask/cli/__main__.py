"""``python -m napari_sam2_automask.cli``: the command line where its script is not on the path."""

from napari_sam2_automask.cli import main

main()
