"""Labels that follow the sliders, and the objects in them."""
