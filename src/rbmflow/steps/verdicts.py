"""What the results of a run, or of the points of a sweep, say of the claims, and their machines side by side."""

import xarray as xr

from rbmflow.claims import Verdict, distinct, judge, machines_of, named, study


def verdicts_of(*results: xr.Dataset) -> list[Verdict]:
    """Return a verdict on every claim by the machines of a run, or of all points of a sweep.

    Parameters
    ----------
    results
        The results of the run, or of every point.
    """
    return judge(*results)


def machines_side_by_side(*results: xr.Dataset) -> xr.Dataset:
    """Return the machines of all points of a sweep side by side, each once, for the figures of its page.

    Parameters
    ----------
    results
        The results of each point; at least one.
    """
    return study(named(distinct(machines_of(*results))))
