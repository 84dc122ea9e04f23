"""Numbers in the summaries of the results pages, against the tables that stand beside them."""

import re
from pathlib import Path

import pytest

RESULTS = Path(__file__).parents[1] / "docs" / "results"

WITH_ERROR = re.compile(r"(?<![\w.])([−-]?\d+(?:\.(\d+))?)\((\d+(?:\.\d+)?)\)")

PAGES = sorted(page.stem for page in RESULTS.glob("*.md") if (RESULTS / page.stem).is_dir())
"""Pages with tables of their own."""

ELSEWHERE = {"torlai-melko": {"-1.469(3)"}, "fixed-point": {"2.80(3)"}}
"""What a summary has from elsewhere: the number of the paper, and one of a verdict with all its digits."""


def numbers(text):
    """Value, its unit in the last place, and its error of every number with an error."""
    found = []
    for value, decimals, error in WITH_ERROR.findall(text):
        unit = 10.0 ** -len(decimals)
        found.append((float(value.replace("−", "-")), unit, float(error) * (unit if "." not in error else 1.0)))
    return found


def is_told(number, table):
    """Whether a number is one of a table, rounded to its own digits, the error too."""
    value, unit, error = number
    # Tables are rounded already, so the last digit may be rounded twice.
    return any(abs(value - one) <= 0.56 * unit and abs(error - of_one) <= 0.56 * unit for one, _, of_one in table)


@pytest.mark.parametrize("page", PAGES)
def test_numbers_of_a_summary_stand_in_its_tables(page):
    text = (RESULTS / f"{page}.md").read_text(encoding="utf-8")
    summary = text.partition("## In short")[2].partition("\n## ")[0]
    tables = "".join(path.read_text(encoding="utf-8") for path in sorted((RESULTS / page).glob("*.md")))
    for one in ELSEWHERE.get(page, ()):
        assert one in summary
        summary = summary.replace(one, "")
    lost = [number for number in numbers(summary) if not is_told(number, numbers(tables))]
    assert lost == []


def test_the_answer_of_the_first_pages_stands_in_a_table():
    files = [RESULTS / name for name in ("recipes/distances.md", "candidates/machines.md", "good/machines.md")]
    tables = numbers("".join(path.read_text(encoding="utf-8") for path in files))
    for page in (RESULTS / "index.md", RESULTS.parents[1] / "README.md"):
        text = page.read_text(encoding="utf-8")
        answer = re.search(r"\*\*Does the flow go to T_c\?.*?\n\n", text, re.DOTALL)
        assert answer is not None
        told = numbers(answer[0])
        assert told
        assert [number for number in told if not is_told(number, tables)] == []


def test_a_number_that_no_table_has_is_found():
    table = numbers("| 0.0126(27) | 2.254(16) | 21.3(2.8) |")
    assert [is_told(one, table) for one in numbers("0.013(3), 2.25(2), 2.26(2), 0.013(4), 21(3)")] == [
        *(True, True, False, False, True),
    ]
