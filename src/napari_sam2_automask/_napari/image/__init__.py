"""Which image, channels, level, planes and place are segmented."""
