"""Device, seeds, progress, scratch folders and the engine that runs tasks side by side."""
