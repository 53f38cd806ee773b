"""The local page on which a person looks at a round's pseudo-labels, and what is decided there."""
