"""What a user got wrong."""


class InputError(ValueError):
    """Wrong input; the message is one clear line."""
