"""Has a Python that finds this folder on its path take the fake science and the fake report for the real ones."""

import fake_cli  # noqa: F401
