# symbackprop: net = networks/deep_rows.toml
import numpy as np


def train_step(W, b, X, Y, lr=0.01):
    N = X.shape[0]
    acts = [X]
    for w, bias in zip(W, b):
        acts.append(np.tanh(acts[-1] @ w + bias))
    dW = [None] * len(W)
    db = [None] * len(b)
    d = 2.0 * (acts[-1] - Y) / N
    for i in reversed(range(len(W))):
        d = d * (1 - acts[i + 1] ** 2)
        dW[i] = acts[i].T @ d
        db[i] = d.sum(axis=0)
        d = d @ W[i].T
    for i in range(len(W)):
        W[i] -= lr * dW[i]
        b[i] -= lr * db[i]
    return dW, db


dW, db = train_step(W, b, X, Y)
