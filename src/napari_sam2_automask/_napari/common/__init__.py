"""What every part of the widget uses: layout, memory, the inference thread, errands."""
