"""What a user got wrong about a device, a runtime or a measurement."""


class LatencyError(ValueError):
    """A device or runtime that does not exist, or a measurement that cannot be; one clear line."""
