"""ShuffleNet: Zhang et al. (CVPR 2018), section 4, with the numbers of the official code.

300,000 steps in batches of 1,024 ImageNet images, which are 240 epochs; a rate of 0.5 that falls to
zero in a straight line, weight decay 4e-5 of weights only, label smoothing 0.1, plain momentum 0.9.
Steps became epochs, since other data have other numbers of images; the crop is rescaled to the
size of the images. Inputs are normalised here, and were not there.
"""

from nas.training.recipe import Recipe

RECIPE = Recipe(
    epochs=240,
    batch_size=1024,
    lr=0.5,
    momentum=0.9,
    nesterov=False,
    schedule="linear",
    warm_up=0.0,
    weight_decay=4e-5,
    label_smoothing=0.1,
    flip=True,
    crop=4,
)
