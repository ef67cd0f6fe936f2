# symbackprop: net = networks/two.toml
import numpy as np

H = 1 / (1 + np.exp(-(X.dot(W1) + b1)))
E = np.exp(H.dot(W2) + b2)
S = E / E.sum(axis=1, keepdims=True)
m = X.shape[0]
delta_out = S - Y
grad_W2 = (H.T @ delta_out) / m
grad_b2 = (np.ones(m) @ delta_out) / m
delta_hidden = (delta_out @ W2.T) * (H - H**2)
grad_W1 = (X.T @ delta_hidden) / m
grad_b1 = (np.ones(m) @ delta_hidden) / m
