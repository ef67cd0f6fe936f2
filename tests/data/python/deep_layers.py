# symbackprop: net = networks/deep_rows.toml
import numpy as np


class Dense:
    def __init__(self, W, b):
        self.weight = W
        self.shift = b

    def forward(self, inp):
        self.inp = inp
        self.out = np.tanh(inp @ self.weight + self.shift)
        return self.out

    def backward(self, upstream):
        delta = upstream * (1 - self.out**2)
        self.grad_weight = self.inp.T @ delta
        self.grad_shift = delta.sum(axis=0)
        return delta @ self.weight.T


layers = [Dense(w, s) for w, s in zip(W, b)]
out = X
for layer in layers:
    out = layer.forward(out)
grad = 2 * (out - Y) / len(X)
for layer in reversed(layers):
    grad = layer.backward(grad)
dW = [layer.grad_weight for layer in layers]
db = [layer.grad_shift for layer in layers]
