"""What a user got wrong."""


class UserError(ValueError):
    """Wrong input; the message is one clear line: the bad value and what would be right."""
