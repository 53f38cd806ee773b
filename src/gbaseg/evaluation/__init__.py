"""Dice and surface distances, their tables, and figures."""
