"""Generative Blending Augmentation: which cases, naive rescaling, SinGAN harmonisation, blending."""
