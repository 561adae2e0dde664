"""What a database may say no to, as a user is told of it."""

from nas.errors import UserError


class Unwritable(UserError):
    """A trial could not be written, now. Nothing is lost: the same call may be made again."""


class DiskFull(Unwritable):
    """There is no room where the database is; once there is, the same call succeeds."""


class Damaged(UserError):
    """A database that holds something else than was written to it."""


class OtherVersion(UserError):
    """A database whose tables another version of Optuna made."""


def no_study(name: str) -> UserError:
    """The error for a name that the database does not know."""
    return UserError(f"the storage has no study {name!r}; a run's folder keeps its name")
