"""From source to target modality: CycleGAN, Van Cittert deconvolution, checks of a translation."""
