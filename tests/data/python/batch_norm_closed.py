# symbackprop: net = networks/batch_norm.toml
import numpy as np

eps = 1 / 8
N = x.shape[0]
mean, variance = x.mean(axis=0), x.var(axis=0)
ivar = 1 / np.sqrt(variance + eps)
x_norm = (x - mean) * ivar
dbeta = dout.sum(axis=0)
dgamma = (dout * x_norm).sum(axis=0)
dx = (1 / N) * gamma * ivar * (N * dout - dbeta - x_norm * dgamma)
