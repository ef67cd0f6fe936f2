# symbackprop: net = networks/hinge.toml
import numpy as np


def svm_gradient(w, b, X, y, lam):
    N = len(X)
    dw = lam * w
    db = 0.0
    for x_i, y_i in zip(X, y):
        if y_i * (np.dot(w, x_i) + b) >= 1:
            continue
        dw = dw - y_i * x_i / N
        db -= y_i / N
    return dw, db
