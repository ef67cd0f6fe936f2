# symbackprop: net = networks/embed.toml
import numpy as np


def gradients(E, W, ids, y):
    V, d = E.shape
    K = W.shape[1]
    dE = np.zeros((V, d))
    dW = np.zeros((d, K))
    for token, label in zip(ids, y):
        vector = E[token]
        e = np.exp(vector @ W)
        error = e / e.sum()
        error[label] -= 1
        dW += np.outer(vector, error) / len(ids)
        dE[token] += W @ error / len(ids)
    return dE, dW
