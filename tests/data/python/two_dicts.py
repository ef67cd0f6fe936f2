# symbackprop: net = networks/two.toml
import numpy as np


def forward(params, X):
    cache = {}
    cache["Z1"] = np.dot(X, params["W1"]) + params["b1"]
    cache["A1"] = 1.0 / (1.0 + np.exp(-cache["Z1"]))
    cache["Z2"] = np.dot(cache["A1"], params["W2"]) + params["b2"]
    shifted = np.exp(cache["Z2"] - np.max(cache["Z2"], axis=1, keepdims=True))
    cache["A2"] = shifted / np.sum(shifted, axis=1, keepdims=True)
    return cache


def backward(params, cache, X, Y):
    """Gradients of the mean cross-entropy."""
    grads = {}
    m = X.shape[0]
    error = cache["A2"] - Y
    grads["W2"] = np.dot(cache["A1"].T, error) / m
    grads["b2"] = np.mean(error, axis=0)
    back = np.dot(error, params["W2"].T)
    slope = cache["A1"] * (1 - cache["A1"])
    hidden_error = back * slope
    grads["W1"] = np.dot(X.T, hidden_error) / m
    grads["b1"] = np.sum(hidden_error, axis=0) / m
    return grads
