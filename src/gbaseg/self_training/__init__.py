"""Pseudo-labels of the target, their agreement from round to round, and how far they are to be trusted."""
