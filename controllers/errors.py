"""What a user got wrong about a controller."""


class ControllerError(ValueError):
    """A controller or option that does not exist; one clear line."""


def check_whole(option: str, value: object, least: int) -> None:
    """Raise a `ControllerError` unless `value` is an integer of at least `least`."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ControllerError(f"{option} {value!r}: it must be a whole number from {least} up")
