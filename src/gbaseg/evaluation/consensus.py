"""Which of several segmenters is right, told by how they agree with one another: no label is needed.

Where runs err independently, how well two of them agree follows from how well either agrees with the truth: pairwise
agreements are, beside the diagonal, a matrix of rank one, and its factor ranks the runs (after Parisi, Strino, Nadler
and Kluger, PNAS 111, 2014, who have it of the covariance of classifiers). What most of the runs get wrong in the same
way is taken for right.
"""

from __future__ import annotations

import numpy as np

# Of two runs only the product is known.
FEWEST = 3
_STEPS, _STILL = 500, 1e-7


def pairwise_dice(masks: np.ndarray) -> np.ndarray:
    """How well every two runs agree on a case: their Dice, 0 where neither finds anything.

    Args:
        masks: (runs, ...) of all runs, bool.

    Returns:
        (runs, runs), symmetric; the diagonal is 1 where a run finds something, else 0.
    """
    flat = masks.reshape(len(masks), -1)
    flat = flat[:, flat.any(axis=0)].astype(np.float32)
    both, sizes = flat @ flat.T, flat.sum(axis=1)
    total = sizes[:, None] + sizes
    return np.divide(2 * both, total, out=np.zeros_like(both), where=total > 0).astype(float)


def consensus(agreement: np.ndarray) -> np.ndarray:
    """The factor u of the agreements: u_i u_j nearest to those of different runs, by least squares.

    Args:
        agreement: (runs, runs), the mean of `pairwise_dice` over cases; its diagonal is not looked at.

    Returns:
        (runs,), each from 0 to 1, more is better; `nan` of fewer than three runs.
    """
    count = len(agreement)
    if count < FEWEST:
        return np.full(count, np.nan)
    others = np.where(np.eye(count), 0.0, agreement)
    values, vectors = np.linalg.eigh(others)
    # No agreement is negative, and so no entry of the leading vector, but for its common sign.
    found = np.clip(np.abs(vectors[:, -1]) * np.sqrt(max(values[-1], 0.0)), 0.0, 1.0)
    for _ in range(_STEPS):
        before = found.copy()
        for run in range(count):  # the best of one, the others as they are
            squares = (found**2).sum() - found[run] ** 2
            found[run] = np.clip(others[run] @ found / squares, 0.0, 1.0) if squares > 0 else 0.0
        if np.abs(found - before).max() < _STILL:
            break
    return found
