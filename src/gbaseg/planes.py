"""Names of the planes that slices lie in. Apart from `volume`: params.yaml is checked without reading an image."""

from typing import Literal

Plane = Literal["axial", "sagittal", "coronal"]
Slices = Literal["acquired", "axial", "sagittal", "coronal"]
