"""Correction of p values for how many comparisons were made."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return p values corrected by Holm's step-down procedure, in the order in which they were given.

    Whoever calls those below 0.05 differences errs in any of them with a chance of at most 0.05, however the tests
    depend on each other. The k-th smallest of m is multiplied by m - k + 1, and none is below one that was smaller.

    Parameters
    ----------
    p_values : [m]; one that is undefined (NaN) is no test: it stays so, and is not counted.

    Raises
    ------
    ValueError
        If they are not one row of numbers from 0 to 1.

    References
    ----------
    Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6:65-70.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p_values, dtype=np.float64)
    tested = ~np.isnan(values)
    if values.ndim != 1 or not ((values[tested] >= 0) & (values[tested] <= 1)).all():
        raise ValueError("p values are one row of numbers from 0 to 1")
    order = np.argsort(values[tested], kind="stable")
    stepped = values[tested][order] * np.arange(len(order), 0, -1)
    corrected = np.empty(len(order))
    corrected[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    found = np.full(len(values), np.nan)
    found[tested] = corrected
    return found
