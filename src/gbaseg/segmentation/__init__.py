"""nnU-Net v2 through its Python API: data set, plans, folds, prediction, largest component."""
