"""MnasNet: Tan et al. (CVPR 2019), section 5, with the numbers of the released config.

350 epochs of RMSProp (decay 0.9, momentum 0.9, eps 1e-3 within the root, as in TF), a rate that
rises for 5 epochs and is multiplied by 0.97 every 2.4 epochs, weight decay 1e-5, dropout 0.2, label
smoothing 0.1, a running average of 0.9999. The paper's rate of 0.256 belongs to batches of 4,096;
the released config has 0.016 for every 256 images and batches of 1,024, so 0.064 here: the same,
on fewer images. The average forgets faster while there are few steps, as in TF, and BatchNorm's
momentum of 0.99 is lowered in short trainings. Weights alone decay, not norms and biases. The crop
is rescaled to the size of the images.
"""

from nas.training.recipe import Recipe

RECIPE = Recipe(
    epochs=350,
    batch_size=1024,
    lr=0.064,
    optimiser="rmsprop",
    rms_decay=0.9,
    rms_eps=1e-3,
    momentum=0.9,
    schedule="exponential",
    warm_up=5 / 350,
    gamma=0.97,
    decay_every=2.4 / 350,
    weight_decay=1e-5,
    label_smoothing=0.1,
    dropout=0.2,
    average=0.9999,
    flip=True,
    crop=4,
)
