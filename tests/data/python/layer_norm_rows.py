# symbackprop: net = networks/layer_norm.toml
import numpy as np


def layernorm_backward(dout, x, gamma, eps=0.125):
    D = x.shape[1]
    mean = np.mean(x, axis=-1, keepdims=True)
    std = np.sqrt(np.var(x, axis=-1, keepdims=True) + eps)
    norm = (x - mean) / std
    dgamma = np.sum(dout * norm, axis=0)
    dbeta = np.sum(dout, axis=0)
    dnorm = dout * gamma
    dx = (dnorm - dnorm.mean(axis=-1, keepdims=True) - norm * (dnorm * norm).mean(axis=-1, keepdims=True)) / std
    return dx, dgamma, dbeta
