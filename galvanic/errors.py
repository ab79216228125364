"""Errors that a person caused or can mend."""


class UserError(Exception):
    """Something the person who asked can put right.

    It is shown to that person as it is, so it names no internals. `problem`: what was wrong, one sentence; `remedy`:
    what to do about it, one sentence; may be empty.
    """

    exit_status = 2  # of a command that ends with it

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem} {self.remedy}".strip()
