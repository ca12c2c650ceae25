"""The errors a user may see: what is wrong, and how to mend it, in one line with an exit code."""

from __future__ import annotations


class OrchError(Exception):
    """A problem that its user can act on.

    Args:
        problem: what is wrong and where (file, line, key).
        remedy: what to do about it.
    """

    exit_code = 1

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self.problem, self.remedy = problem, remedy

    def __str__(self) -> str:
        return f"{self.problem}; {self.remedy}" if self.remedy else self.problem


class InputError(OrchError):
    """The user's input is wrong: a grid, an option, a selector."""

    exit_code = 2


class HostUnfitError(OrchError):
    """This host or this folder cannot do what was asked."""

    exit_code = 3


def one_line(error: OSError) -> str:
    """What the system says of a file: the reason, and which file."""
    where = error.filename2 or error.filename
    text = error.strerror or str(error) or type(error).__name__
    return f"{text}: {where}" if where else text
