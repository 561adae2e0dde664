"""For users of Ray Tune: our controllers as its search algorithm, our training as its trainable.

The study stays in memory and Tune keeps the trials; `nas search` is the search of the platform,
with a record of its own. Importing this imports Ray, which nothing else outside `nas.executors`
does.
"""

from nas.tune.network import trainable
from nas.tune.search import Search
from nas.tune.space import param_space

__all__ = ["Search", "param_space", "trainable"]
