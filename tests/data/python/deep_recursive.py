# symbackprop: net = networks/deep.toml
import numpy as np


def sigma(z):
    return 1 / (1 + np.exp(-z))


def descend(k, a, W, b, y):
    """Gradients of layers k and above, and the derivative by the input of layer k."""
    if k == len(W):
        return a - y, [], []
    out = sigma(W[k] @ a + b[k])
    upper, dW, db = descend(k + 1, out, W, b, y)
    delta = upper * out * (1 - out)
    return W[k].T @ delta, [np.outer(delta, a)] + dW, [delta] + db


_, dW, db = descend(0, x, W, b, y)
