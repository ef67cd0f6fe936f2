# symbackprop: net = networks/two.toml
from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class Cache:
    A1: np.ndarray
    A2: np.ndarray


def sigma(t: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * t))


def run(X: np.ndarray, W1: np.ndarray, b1: np.ndarray, W2: np.ndarray, b2: np.ndarray) -> Cache:
    hidden: np.ndarray = sigma(np.matmul(X, W1) + b1)
    raw: np.ndarray = np.exp(np.matmul(hidden, W2) + b2)
    return Cache(A1=hidden, A2=raw / raw.sum(1, keepdims=True))


def gradients(
    X: np.ndarray, Y: np.ndarray, W1: np.ndarray, b1: np.ndarray, W2: np.ndarray, b2: np.ndarray
) -> tuple[np.ndarray, ...]:
    cache = run(X, W1, b1, W2, b2)
    delta2: np.ndarray = (cache.A2 - Y) / X.shape[0]
    dW2, db2 = np.matmul(cache.A1.T, delta2), delta2.sum(0)
    delta1 = np.matmul(delta2, W2.T) * (slope := cache.A1 * (1.0 - cache.A1))
    dW1, db1 = np.matmul(X.T, delta1), delta1.sum(0)
    return dW1, db1, dW2, db2
