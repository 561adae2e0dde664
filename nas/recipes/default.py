"""What serves most networks on small images: SGD, Nesterov momentum and one cosine.

Loshchilov and Hutter, SGDR (ICLR 2017): the cosine, without restarts. He et al., Bag of Tricks
(CVPR 2019): rise of the rate, decay of weights only, label smoothing of 0.1. 30 epochs, since that
is what a CPU can do; the rate, published as 0.1 for 256 ImageNet images, is the usual one for 64
or 128 small ones.
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
