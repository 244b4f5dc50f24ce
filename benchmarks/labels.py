"""Names that stages, goals and tables share."""
OURS = "ddpm_lite"
PEERS = DIFFUSERS, LUCIDRAINS = "diffusers", "denoising-diffusion-pytorch"      # as pip knows them
SHAPES = ("1x8x8", "1x28x28", "3x32x32")
