"""Inception-v3: Szegedy et al., Rethinking the Inception Architecture (CVPR 2016), section 8.

100 epochs of RMSProp (decay 0.9, eps 1.0 within the root, as in TF), a rate of 0.045 multiplied by
0.94 every 2 epochs, gradients clipped to a norm of 2, label smoothing 0.1, and the running average
of the parameters as the result. The rate is taken to belong to the 32 images of one replica (there
were 50). The paper names neither the average's decay nor a momentum or weight decay: 0.9999 (as in
MnasNet), none and none are used. Only the crop is rescaled, to the size of the images.
"""

from nas.training.recipe import Recipe

RECIPE = Recipe(
    epochs=100,
    batch_size=32,
    lr=0.045,
    optimiser="rmsprop",
    rms_decay=0.9,
    rms_eps=1.0,
    momentum=0.0,
    schedule="exponential",
    warm_up=0.0,
    gamma=0.94,
    decay_every=2 / 100,
    weight_decay=0.0,
    label_smoothing=0.1,
    clip=2.0,
    average=0.9999,
    flip=True,
    crop=4,
)
