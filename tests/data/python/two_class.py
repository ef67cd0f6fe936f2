# symbackprop: net = networks/two.toml
import numpy as np


class TwoLayers:
    def __init__(self, d, h, k, scale=0.1):
        self.W1 = scale * np.random.randn(d, h)
        self.b1 = np.zeros(h)
        self.W2 = scale * np.random.randn(h, k)
        self.b2 = np.zeros(k)

    @staticmethod
    def _sigmoid(z):
        return 1 / (1 + np.exp(-z))

    def forward(self, X):
        self.X = X
        self.Z1 = X @ self.W1 + self.b1
        self.A1 = self._sigmoid(self.Z1)
        self.Z2 = self.A1 @ self.W2 + self.b2
        exps = np.exp(self.Z2)
        self.A2 = exps / exps.sum(axis=1)[:, None]
        return self.A2

    def backward(self, Y):
        n = len(Y)
        self.dZ2 = (self.A2 - Y) / n
        self.dW2 = self.A1.T.dot(self.dZ2)
        self.db2 = self.dZ2.sum(axis=0)
        self.dZ1 = self.dZ2.dot(self.W2.T) * self.A1 * (1 - self.A1)
        self.dW1 = self.X.T.dot(self.dZ1)
        self.db1 = self.dZ1.sum(axis=0)

    def step(self, rate=0.1):
        self.W1 -= rate * self.dW1
        self.b1 -= rate * self.db1
        self.W2 -= rate * self.dW2
        self.b2 -= rate * self.db2
