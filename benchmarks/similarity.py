"""Structural similarity of two pictures."""

from __future__ import annotations

from typing import Any

import numpy as np

_Plane = np.ndarray[Any, np.dtype[np.float64]]

_SIDE, _SIGMA = 11, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def ssim(first: np.ndarray[Any, Any], second: np.ndarray[Any, Any]) -> float:
    """Mean SSIM of the luma (ITU-R BT.601) of two equally large RGB pictures, rows x columns x 3 samples of 8 bits.

    Z. Wang, A. C. Bovik, H. R. Sheikh and E. P. Simoncelli, "Image Quality Assessment: From Error Visibility to
    Structural Similarity", IEEE Transactions on Image Processing 13 (4), 2004: a Gaussian window of 11 x 11 with a
    standard deviation of 1.5, K1 = 0.01, K2 = 0.03, without padding. Raises ``ValueError`` for different shapes.
    """
    if first.shape != second.shape:
        raise ValueError(f"pictures of {first.shape} and {second.shape} cannot be compared")
    x, y = _luma(first), _luma(second)
    mean_x, mean_y = _blur(x), _blur(y)
    var_x, var_y = _blur(x * x) - mean_x**2, _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    numerator = (2 * mean_x * mean_y + _C1) * (2 * covariance + _C2)
    return float((numerator / ((mean_x**2 + mean_y**2 + _C1) * (var_x + var_y + _C2))).mean())


def _luma(pixels: np.ndarray[Any, Any]) -> _Plane:
    return np.asarray(pixels[:, :, :3].astype(np.float64) @ np.array([0.299, 0.587, 0.114]))


def _blur(plane: _Plane) -> _Plane:
    steps = np.arange(_SIDE) - _SIDE // 2
    window = np.exp(-(steps**2) / (2 * _SIGMA**2))
    window /= window.sum()
    height, width = plane.shape[0] - _SIDE + 1, plane.shape[1] - _SIDE + 1
    down = sum(weight * plane[at : at + height] for at, weight in enumerate(window))
    return np.asarray(sum(weight * down[:, at : at + width] for at, weight in enumerate(window)))
