"""Labelled images: where they are found, how they are read, resized, split and augmented."""
