"""MSDNet: Huang et al., Multi-Scale Dense Networks (ICLR 2018), section 5 and appendix A.

The CIFAR training: 300 epochs in batches of 64, a rate of 0.1 divided by 10 at half and three
quarters, weight decay 1e-4 of all parameters, crops of 4 padded pixels and mirror images. Nesterov
momentum as in the authors' Lua code; their PyTorch code, and RANet's, has plain momentum. ImageNet
(90 epochs, batches of 256, divided at 30 and 60) differs in these numbers only. Nothing is rescaled
but the crop, to the size of the images.
"""

from nas.training.recipe import Recipe

RECIPE = Recipe(
    epochs=300,
    batch_size=64,
    lr=0.1,
    momentum=0.9,
    nesterov=True,
    schedule="multistep",
    warm_up=0.0,
    milestones=(0.5, 0.75),
    gamma=0.1,
    weight_decay=1e-4,
    decay_all=True,
    flip=True,
    crop=4,
)
