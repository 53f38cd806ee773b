"""What copies may be given besides another contrast (ours; the paper names it as future work): one file each.

Each has a `sample_*`, which draws, and an `apply_*`, which is deterministic. Another alteration is another file, its
lines in `compose` and a share in `settings.AlterationSettings`.
"""
