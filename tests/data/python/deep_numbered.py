# symbackprop: net = networks/deep.toml
import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def gradients(params, x, y, L):
    cache = {"a0": x}
    for l in range(1, L + 1):
        z = params[f"W{l}"] @ cache[f"a{l - 1}"] + params[f"b{l}"]
        cache[f"a{l}"] = sigmoid(z)
    grads = {}
    upstream = cache[f"a{L}"] - y
    for l in range(L, 0, -1):
        out = cache[f"a{l}"]
        delta = upstream * out * (1 - out)
        grads[f"dW{l}"] = np.outer(delta, cache[f"a{l - 1}"])
        grads[f"db{l}"] = delta
        upstream = delta @ params[f"W{l}"]
    return grads
