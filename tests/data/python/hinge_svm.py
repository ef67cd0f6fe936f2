# symbackprop: net = networks/hinge.toml
import numpy as np


def svm_gradient(w, b, X, y, lam):
    N = X.shape[0]
    margins = y * (X @ w + b)
    active = (margins < 1).astype(float)
    dw = -(X.T @ (active * y)) / N + lam * w
    db = -np.sum(active * y) / N
    return dw, db
