# symbackprop: net = networks/logistic.toml
import numpy as np


def sigmoid(z):
    """The logistic function."""
    return 1 / (1 + np.exp(-z))


def cost_and_gradient(w, b, X, y):
    m = X.shape[0]
    a = sigmoid(X @ w + b)
    cost = -1 / m * np.sum(y * np.log(a) + (1 - y) * np.log(1 - a))
    dw = 1 / m * (X.T @ (a - y))
    db = 1 / m * np.sum(a - y)
    return cost, dw, db
