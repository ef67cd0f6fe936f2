# symbackprop: net = networks/two.toml
import numpy as np


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def sigmoid_grad(v):
    s = sigmoid(v)
    return s * (1 - s)


def all_gradients(X, Y, W1, b1, W2, b2):
    N = X.shape[0]
    dW1, db1 = np.zeros_like(W1), np.zeros_like(b1)
    dW2, db2 = np.zeros_like(W2), np.zeros_like(b2)
    for n in range(N):
        x, t = X[n], Y[n]
        z = x @ W1 + b1
        h = sigmoid(z)
        e = np.exp(h @ W2 + b2)
        p = e / e.sum()
        out = p - t
        back = (W2 @ out) * sigmoid_grad(z)
        dW2 += np.outer(h, out)
        db2 += out
        dW1 += np.outer(x, back)
        db1 += back
    dW1 /= N
    db1 /= N
    dW2 /= N
    db2 /= N
    return dW1, db1, dW2, db2
