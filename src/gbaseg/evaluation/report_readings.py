"""How the figures of the report are read: what better and worse look like, and what to do about it."""

from __future__ import annotations

from typing import NamedTuple


class Reading(NamedTuple):
    """What better and worse look like in a figure, and what to do where it is worse."""

    better: str
    worse: str
    do: str


ROUNDS = Reading(
    "Dice rises and ASSD falls from the survey on, and the last two rounds lie together.",
    "Means fall after a round, or single cases stay near a Dice of 0 (crosses: nothing was predicted) while the "
    "others rise.",
    "Falling: look at that round's pseudo-labels (gbaseg review) and tighten self_training.confidence. Cases near "
    "0: open their rows below. All near 0: the contrast of the copies, or too few iterations (docs/problems.md).",
)
PANEL = Reading(
    "The pseudo-target looks like the target scan at the right, and the tumour is where, and as large as, it is "
    "in the source. The copies' tumours look like ones that the target could show.",
    "The tumour is fainter, moved, gone, or there are structures that the source does not have.",
    "Compare with -S translation.mode=none and histogram before more GPU time; translation.mode: auto makes that "
    "comparison without labels.",
)
APPEARANCE = Reading(
    "After augmentation the density covers that of the target.",
    "The target's tumours have intensities that no copy has: below all of them, or above.",
    "augmentation.rules: factors on the side of 1 that is missing, or adaptive: 4 with survey.contrasts: 15, "
    "which look in both directions. Volumes: adaptive_size or alterations.diameter change diameters by 0.8 to 1.25; a "
    "wider gap wants other source cases.",
)
BLENDING = Reading(
    "With GBA the tumour has the mean of the naive copy, and passes into its surroundings as tumours of the target do.",
    "A rim as on the naive copy (too little), or repainted tissue around the tumour (too much).",
    "A rim: a wider augmentation.blend, a higher k_star. Repainted: a lower k_star; more singan.iterations.",
)
INTENSITIES = Reading(
    "The pseudo-target's curves lie on the target's, for every centre.",
    "Their peaks lie elsewhere, or one centre's apart from the other's.",
    "Look at standardise.foreground and intensity_percentiles first (data/modalities.png), then train the "
    "translation longer, or compare with -S translation.mode=histogram.",
)
BY_ROUND = Reading(
    "From left to right the outlines come nearer to the reference; what is left is a voxel at the edge.",
    "A part of the structure stays missing, a spot elsewhere stays, or a later round loses what an earlier one had.",
    "Missing: copies in the contrast of that part, or a longer training. Spots: pieces of dataset.structures and "
    "segmentation.prediction.threshold. Lost again: self_training.confidence, or reject pseudo-labels in gbaseg "
    "review.",
)
CASES = Reading(
    "Nearly all is green; blue and orange are a thin line at the edge.",
    "Blue lumps: parts that are missed. Orange lumps: what the network takes for it. Only blue and only orange, "
    "apart from each other: it found something else.",
    "The same mistake in most cases: the contrast that the copies lack, see Augmentation. In one centre: "
    "translation.centre, or copies for that centre. In the small ones alone: rules for small volumes. Dice of "
    "small structures is low for a voxel at the edge: look at the ASSD, too.",
)
CASES_UNLABELLED = Reading(
    "One smooth piece that ends where the scan says so, in three planes.",
    "Several pieces, an edge along the slices only, or a place where anatomy has no such structure.",
    "gbaseg review shows the training cases the same way, and what is rejected there is not learnt from. More by "
    "symptom: docs/problems.md.",
)
