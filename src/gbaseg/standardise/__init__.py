"""One grid, one crop, one range of intensities for every scan; and the way back (METHOD 2)."""
