"""Augmentation, resizing and drawing of splits: laws on small tensors."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.data.augment import augment, normalise
from nas.data.resize import fit
from nas.data.split import draw, held_out_count, rest
from nas.errors import UserError


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_normalised_images_have_mean_0_and_deviation_1() -> None:
    images = torch.randint(0, 256, (50, 2, 8, 8), dtype=torch.uint8, generator=seeded())
    scaled = images.double() / 255
    mean = tuple(scaled.mean(dim=(0, 2, 3)).tolist())
    std = tuple(scaled.std(dim=(0, 2, 3), correction=0).tolist())
    found = normalise(images, mean, std)
    assert found.dtype == torch.float32
    assert torch.allclose(found.mean(dim=(0, 2, 3)), torch.zeros(2), atol=1e-5)
    assert torch.allclose(found.std(dim=(0, 2, 3), correction=0), torch.ones(2), atol=1e-5)


def test_without_crop_and_flip_nothing_changes() -> None:
    images = torch.randn(4, 3, 8, 8, generator=seeded())
    assert torch.equal(augment(images, seeded(), crop=0, flip=False), images)


def test_each_image_is_one_window_of_its_padded_self() -> None:
    images = torch.randn(64, 3, 6, 9, generator=seeded())
    padded = torch.nn.functional.pad(images, (2, 2, 2, 2))
    found = augment(images, seeded(1), crop=2, flip=False)
    places = set()
    for index in range(64):
        matches = [
            (top, left)
            for top in range(5)
            for left in range(5)
            if torch.equal(found[index], padded[index, :, top : top + 6, left : left + 9])
        ]
        assert len(matches) == 1
        places.update(matches)
    assert {top for top, _ in places} == {left for _, left in places} == set(range(5))


def test_about_half_of_the_images_are_mirrored() -> None:
    images = torch.randn(200, 3, 4, 4, generator=seeded())
    found = augment(images, seeded(2), crop=0, flip=True)
    same = (found == images).flatten(1).all(1)
    mirrored = (found == images.flip(3)).flatten(1).all(1)
    assert bool((same ^ mirrored).all()) and 70 < int(mirrored.sum()) < 130


def test_the_generator_decides_the_augmentation() -> None:
    images = torch.randn(20, 1, 8, 8, generator=seeded())
    first, again, other = (augment(images, seeded(s), crop=2, flip=True) for s in (5, 5, 6))
    assert torch.equal(first, again) and not torch.equal(first, other)


@settings(max_examples=40)
@given(st.integers(3, 20), st.integers(3, 20), st.integers(3, 20), st.integers(3, 20))
def test_every_size_fits_every_size_and_keeps_a_plain_colour(
    height: int, width: int, to_height: int, to_width: int
) -> None:
    images = torch.full((2, 3, height, width), 77, dtype=torch.uint8)
    found = fit(images, (to_height, to_width))
    assert found.shape == (2, 3, to_height, to_width) and set(found.flatten().tolist()) == {77}


@settings(max_examples=60)
@given(st.lists(st.integers(1, 30), min_size=2, max_size=8), st.data())
def test_draws_are_distinct_rows_of_every_class_in_proportion(
    sizes: list[int], data: st.DataObject
) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    count = data.draw(st.integers(len(sizes), len(labels)))
    rows = draw(labels, count, np.random.default_rng(0))
    assert len(set(rows.tolist())) == count
    drawn = np.bincount(labels[rows], minlength=len(sizes))
    assert drawn.min() >= 1
    exact = np.array(sizes) * count / len(labels)
    assert (drawn < exact + 1).all() or (exact < 1).any()
    others = rest(len(labels), rows)
    assert sorted([*rows.tolist(), *others.tolist()]) == list(range(len(labels)))


@settings(max_examples=60)
@given(st.lists(st.integers(2, 40), min_size=2, max_size=8))
def test_holding_out_leaves_an_image_of_every_class_to_train_on(sizes: list[int]) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    rows = draw(labels, held_out_count(labels), np.random.default_rng(0))
    left = np.bincount(labels[rest(len(labels), rows)], minlength=len(sizes))
    assert left.min() >= 1


def test_more_rows_than_there_are_cannot_be_drawn() -> None:
    with pytest.raises(UserError, match="5 images of 2 classes: between 2 and 4 can be drawn"):
        draw(np.array([0, 0, 1, 1]), 5, np.random.default_rng(0))
