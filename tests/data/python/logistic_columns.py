# symbackprop: net = networks/logistic.toml
import numpy as np

X = X.T
m = X.shape[1]
A = 1 / (1 + np.exp(-(np.dot(w.T, X) + b)))
dZ = A - y.T
dw = np.dot(X, dZ.T) / m
db = np.sum(dZ) / m
