"""What a user got wrong about a search space."""


class SpaceError(ValueError):
    """A choice, decision or file that no architecture of the space has; one clear line."""
