# symbackprop: net = networks/logistic.toml
import math


def gradients(X, y, w, b):
    m = len(X)
    n = len(X[0])
    dw = [0.0 for _ in range(n)]
    db = 0.0
    for i in range(m):
        total = b
        for j in range(n):
            total += w[j] * X[i][j]
        prediction = 1.0 / (1.0 + math.exp(-total))
        error = prediction - y[i]
        for j in range(n):
            dw[j] += error * X[i][j]
        db += error
    for j in range(n):
        dw[j] = dw[j] / m
    db = db / m
    return dw, db


dw, db = gradients(X, y, w, b)
