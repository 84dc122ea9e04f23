"""How often the rules of claims err: numbers of simulated seeds that have nothing to tell, and how many differ.

    python benchmarks/claims.py              the table of docs/claims.md, in %

The scatter of seeds is normal. Beside each rate stands that of three errors, or of a chi-squared test.
"""

import argparse
import math

import numpy as np
from scipy.special import chdtrc

from rbmflow.claims import Measured
from rbmflow.claims.judgement import SIGNIFICANCE, equality


def measured(rng, runs, scatter, seeds):
    """Means of seeds whose true value is 0, [run] of one number for each scatter."""
    trained = np.array(scatter)[:, None] * rng.standard_normal((runs, len(scatter), seeds))
    errors = trained.std(axis=2, ddof=1) / math.sqrt(seeds)
    rows = zip(trained.mean(axis=2).tolist(), errors.tolist(), strict=True)
    return [[Measured(*number, seeds - 1) for number in zip(*row, strict=True)] for row in rows]


def of_one(numbers):
    """Whether a number differs, by the rule and by three errors."""
    (number,) = numbers
    return number.differs, not number.vanishes


def of_two(numbers):
    """The same of a difference."""
    return of_one([numbers[0].minus(numbers[1])])


def of_many(numbers):
    """Whether equal values are rejected, by the rule and by a chi-squared test."""
    values, errors = np.array([(number.value, number.error) for number in numbers]).T
    pulls = (values - np.average(values, weights=errors**-2)) / errors
    return equality(numbers) < SIGNIFICANCE, chdtrc(len(numbers) - 1, (pulls**2).sum()) < SIGNIFICANCE


CASES = {
    "one number": (of_one, [1]),
    "difference, equal scatter": (of_two, [1, 1]),
    "difference, one ten times the other": (of_two, [1, 10]),
    "five recipes, equal scatter": (of_many, [1] * 5),
    "one of five ten times the others": (of_many, [1, 1, 1, 1, 10]),
    "scatter from 1 to 100": (of_many, np.geomspace(1, 100, 5)),
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200_000, help="simulated cases of each cell")
    runs = parser.parse_args().runs
    rng = np.random.default_rng(0)
    print(f"| seeds | {' | '.join(CASES)} |", "|---" * (1 + len(CASES)) + "|", sep="\n")
    for seeds in (3, 5):
        rates = []
        for rule, scatter in CASES.values():
            told = [rule(row) for row in measured(rng, runs, scatter, seeds)]
            rates.append(100 * np.mean(told, axis=0))
        print(f"| {seeds} | {' | '.join(f'{by_rule:.2f} ({former:.1f})' for by_rule, former in rates)} |")
