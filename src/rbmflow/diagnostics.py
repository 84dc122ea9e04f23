"""Errors of averages: each statistic once, on bare arrays."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def mean_and_error(
    values: Float[np.ndarray, "..."], axis: int = 0
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    r"""Mean of independent values and its standard error.

    .. math:: \bar x = \frac1n \sum_i x_i, \qquad
        \sigma_{\bar x}^2 = \frac{1}{n (n - 1)} \sum_i (x_i - \bar x)^2

    Parameters
    ----------
    values
        Independent along `axis` (seeds, chains); infinite values make the mean infinite and the error NaN.
    axis
        The axis to average over.

    Returns
    -------
    mean, error
        The error of a single value is NaN: one seed has no error bar.

    Examples
    --------
    >>> import numpy as np
    >>> mean, error = mean_and_error(np.array([1.0, 2.0, 3.0]))
    >>> float(mean), round(float(error), 4)
    (2.0, 0.5774)
    """
    array = np.asarray(values, np.float64)
    count = array.shape[axis]
    mean = array.mean(axis=axis)
    if count < 2:
        return mean, np.full_like(mean, np.nan)
    with np.errstate(invalid="ignore"):
        return mean, array.std(axis=axis, ddof=1) / np.sqrt(count)
