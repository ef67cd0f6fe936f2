# symbackprop: net = networks/ridge.toml
import numpy as np

n = X.shape[0]
residual = X @ w + b - y
dw = 2 / n * X.T @ residual + 2 * lam * w
db = 2 * residual.mean()
w -= 0.1 * dw
b -= 0.1 * db
