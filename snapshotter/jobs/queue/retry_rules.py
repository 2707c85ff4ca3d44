"""Define how often a job is tried again, and after which pause."""

from datetime import timedelta

from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRules:
    """How often a job is tried again, and when."""

    attempts: int = 3  # attempts that count against a job before it is given up
    first: timedelta = timedelta(seconds=20)  # longest pause after the first failure; it doubles
    longest: timedelta = timedelta(minutes=15)
    lost_workers: int = 3  # lost workers in a row from which on a job is suspected
    suspect: timedelta = timedelta(minutes=15)  # least pause of a suspected job; it doubles
    longest_suspect: timedelta = timedelta(days=1)

    def pause(self, failures: int, chance: float) -> timedelta:
        """
        Return how long to wait after so many failures in a row, with full jitter.

        Args:
            chance: A random number between 0 and 1.
        """
        if failures < 1:
            return timedelta(0)
        doubled: int = 2 ** min(failures - 1, 20)
        return min(self.longest, self.first * doubled) * chance

    def pause_after_lost_workers(self, lost: int, chance: float) -> timedelta:
        """
        Return how long to wait after so many workers in a row ended during a job.

        After the first lost worker the job does not wait: the job is probably not the cause. It
        waits longer after each further one, so that it cannot delay all other jobs.

        Args:
            chance: A random number between 0 and 1.
        """
        if lost <= self.lost_workers:
            return self.pause(lost - 1, chance)
        doubled: int = 2 ** min(lost - self.lost_workers - 1, 20)
        return min(self.longest_suspect, self.suspect * doubled * (1 + chance / 4))
