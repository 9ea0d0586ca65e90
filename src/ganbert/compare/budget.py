"""A label budget: how many rows have a label."""

from __future__ import annotations

from dataclasses import dataclass

from ganbert.errors import InputError

MOST_ROWS = 10**9


@dataclass(frozen=True)
class Budget:
    """How many rows have a label: a number of rows, or a percentage of the training set."""

    amount: float
    in_percent: bool

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read `55` or `1%`; `InputError` if it is neither."""
        number = text.strip().removesuffix("%")
        try:
            budget = cls(float(number), text.strip().endswith("%"))
        except ValueError:
            budget = cls(0.0, False)
        whole = budget.in_percent or budget.amount.is_integer()
        if not 0 < budget.amount <= MOST_ROWS or not whole or (budget.in_percent and budget.amount > 100):
            raise InputError(f"label budget {text!r}: write a number of rows, as 100, or a percentage, as 1%")
        return budget

    @classmethod
    def parse_all(cls, text: str) -> list[str]:
        """Return each of `50,100,50%` once, as results write it; `InputError` if one is no budget."""
        return list(dict.fromkeys(str(cls.parse(part)) for part in text.split(",")))

    def rows(self, n_train: int) -> int:
        """Return the number of rows, of a training set of `n_train`."""
        return max(1, round(self.amount * n_train / 100 if self.in_percent else self.amount))

    def __str__(self) -> str:
        return f"{self.amount:g}%" if self.in_percent else f"{self.amount:.0f}"
