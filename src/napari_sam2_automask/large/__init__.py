"""Images beyond memory: overlapping tiles, one seam rule, results that outlive the process.

`segment_large` does it all; the modules below are its steps.
"""
