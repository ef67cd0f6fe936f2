# symbackprop: net = networks/embed.toml
import numpy as np

N = len(ids)
x = E[ids]
z = x @ W
p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
dz = p.copy()
dz[np.arange(N), y] -= 1
dz /= N
dW = x.T @ dz
dx = dz @ W.T
dE = np.zeros_like(E)
np.add.at(dE, ids, dx)
