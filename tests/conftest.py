"""Settings every test shares."""

from hypothesis import settings

# The same examples in every run, so that a failure speaks of the change at hand; new examples:
# pytest --hypothesis-profile=default. No deadlines: the first build of a block imports torch.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")
