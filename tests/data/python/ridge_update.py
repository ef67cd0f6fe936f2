# symbackprop: net = networks/ridge.toml
import numpy as np

learning_rate = 0.01
for step in range(1000):
    predictions = X.dot(w) + b
    errors = predictions - y
    w -= learning_rate * (2 * X.T.dot(errors) / len(y) + 2 * lam * w)
    b -= learning_rate * 2 * errors.sum() / len(y)
