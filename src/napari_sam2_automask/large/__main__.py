"""``python -m napari_sam2_automask.large SPEC.json``: do the run that a file describes."""

from __future__ import annotations

import sys
from pathlib import Path

from napari_sam2_automask.errors import AutomaskError
from napari_sam2_automask.large.background import main
from napari_sam2_automask.models.runtime.process_guards import wait_patiently
from napari_sam2_automask.progress import Cancelled

if __name__ == "__main__":
    wait_patiently()
    try:
        result = main(Path(sys.argv[1]))
    except AutomaskError as error:
        sys.exit(f"error: {error}")
    except Cancelled:
        sys.exit("stopped; what is finished is kept")
    sys.stdout.write(f"{result.objects} objects in {result.path}; {len(result.failed)} tiles set aside\n")
