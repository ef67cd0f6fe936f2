# symbackprop: net = networks/columns.toml
import numpy as np

rate = 0.05


def forward():
    global A1, A2
    A1 = np.tanh(np.dot(W1, X) + b1)
    A2 = 1 / (1 + np.exp(-(np.dot(W2, A1) + b2)))


def backward():
    global W1, b1, W2, b2
    m = X.shape[1]
    error = (A2 - Y) / m
    gradient_W2 = error.dot(A1.T)
    gradient_b2 = error.sum(axis=1).reshape(-1, 1)
    hidden = W2.T.dot(error) * (1 - A1**2)
    gradient_W1 = hidden.dot(X.T)
    gradient_b1 = hidden.sum(axis=1).reshape(-1, 1)
    W2 = W2 - rate * gradient_W2
    b2 = b2 - rate * gradient_b2
    W1 = W1 - rate * gradient_W1
    b1 = b1 - rate * gradient_b1


for epoch in range(3):
    forward()
    backward()
