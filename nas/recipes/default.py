"""What serves most networks on small images: SGD, Nesterov momentum and one cosine.

Loshchilov and Hutter, SGDR (ICLR 2017): the cosine, without restarts. He et al., Bag of Tricks
(CVPR 2019): rise of the rate, decay of weights only, label smoothing of 0.1. Their numbers are for
ImageNet; rate and decay here are those usual for CIFAR, 0.1 for 64 images and 5e-4 (Zagoruyko and
Komodakis, Wide ResNets, 2016: 0.1 for 128). 30 epochs, since that is what a CPU can do.
"""

from nas.training.recipe import Recipe

RECIPE = Recipe(
    epochs=30,
    batch_size=64,
    lr=0.1,
    momentum=0.9,
    nesterov=True,
    schedule="cosine",
    weight_decay=5e-4,
    label_smoothing=0.1,
    flip=True,
    crop=4,
)
