"""
How many inputs a test with generated inputs tries: few in CI, many in `make fuzz`.

In CI the inputs are the same on each run, because a red test has to be red for the next person
too. `make fuzz` sets SNAPSHOTTER_FUZZ to the factor by which it tries more, and the inputs of
Hypothesis are new on each run; a failure prints how to make its input again.
"""

import os

FACTOR = int(os.environ.get("SNAPSHOTTER_FUZZ", "1"))


def tries(few: int) -> int:
    """Return how many inputs to try where CI tries `few`."""
    return few * FACTOR
