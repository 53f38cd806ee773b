"""Cross-modal tumour segmentation with generative blending augmentation and self-training."""

__version__ = "0.1.0"
