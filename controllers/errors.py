"""What a user got wrong about a controller."""


class ControllerError(ValueError):
    """A controller or option that does not exist; one clear line."""
