"""A scan as the page takes it: 16 bits a voxel in the place of 32, and not packed, since a browser unpacks slowly."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gbaseg.volume import nifti_bytes, read

# The brightest tissue's value; scans.js has the same.
WHITE = 65535


def as_shown(path: Path) -> bytes:
    """A standardised scan, 0 to 1, as NIfTI of 16 bits, 0 to `WHITE`.

    Raises:
        BadImage: it is damaged.
    """
    scan = read(path, np.float32)
    grey = np.round(np.clip(scan.array, 0.0, 1.0) * WHITE).astype(np.uint16)
    return nifti_bytes(scan.with_array(grey))
