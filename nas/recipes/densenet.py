"""DenseNet: Huang et al., Densely Connected Convolutional Networks (CVPR 2017), section 4.2.

The CIFAR training: 300 epochs in batches of 64, a rate of 0.1 divided by 10 at half and three
quarters, Nesterov momentum 0.9, weight decay 1e-4 of all parameters. The paper's dropout of 0.2 is
for data without augmentation, which this recipe has, so there is none. ImageNet (90 epochs, batches
of 256, divided at 30 and 60) differs in these numbers only. Nothing is rescaled but the crop, to
the size of the images.
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
    dropout=0.0,
    flip=True,
    crop=4,
)
