# symbackprop: net = networks/stack.toml
import numpy as np


def backprop(W, b, X, Y):
    depth = len(W)
    activations, pre = [X], []
    for k, (w, bias) in enumerate(zip(W, b)):
        z = w @ activations[-1] + bias
        pre.append(z)
        activations.append(np.maximum(z, 0) if k < depth - 1 else 1 / (1 + np.exp(-z)))
    m = X.shape[1]
    delta = (activations[-1] - Y) / m
    dW, db = [], []
    for k in range(depth - 1, -1, -1):
        dW.insert(0, delta @ activations[k].T)
        db.insert(0, delta.sum(axis=1, keepdims=True))
        if k > 0:
            delta = np.where(pre[k - 1] > 0, W[k].T @ delta, 0)
    return dW, db


dW, db = backprop(W, b, X, Y)
