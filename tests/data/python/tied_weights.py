# symbackprop: net = networks/tied.toml
import numpy as np

N = X.shape[0]
H = 1 / (1 + np.exp(-(X @ W + b)))
R = H @ W.T + c
dR = (R - X) / N
dc = dR.sum(axis=0)
dH = dR @ W
delta = dH * H * (1 - H)
db = delta.sum(axis=0)
dW = X.T @ delta + dR.T @ H
