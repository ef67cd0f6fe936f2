# symbackprop: net = networks/residual.toml
import numpy as np


def block_backward(x, y, W1, b1, W2):
    u = x @ W1 + b1
    v = np.tanh(u)
    r = v @ W2 + x
    dr = 2 * (r - y) / x.shape[0]
    dW2 = v.T @ dr
    dv = dr @ W2.T
    du = dv / np.cosh(u) ** 2
    dW1 = x.T @ du
    db1 = du.sum(axis=0)
    dx = dr + du @ W1.T
    return dW1, db1, dW2, dx
