"""SinGAN: a pyramid of small GANs trained on one slice (Shaham et al. 2019), and harmonisation with it (Eq. 6)."""
