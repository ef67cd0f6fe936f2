# symbackprop: net = networks/deep.toml
import random

import numpy as np


class Network:
    def __init__(self, sizes):
        self.num_layers = len(sizes)
        self.sizes = sizes
        self.biases = [np.random.randn(n, 1) for n in sizes[1:]]
        self.weights = [np.random.randn(n, m) for m, n in zip(sizes[:-1], sizes[1:])]

    def train(self, data, epochs, size, eta):
        for epoch in range(epochs):
            random.shuffle(data)
            for k in range(0, len(data), size):
                self.update(data[k : k + size], eta)

    def update(self, batch, eta):
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        for x, y in batch:
            more_b, more_w = self.backprop(x, y)
            nabla_b = [nb + mb for nb, mb in zip(nabla_b, more_b)]
            nabla_w = [nw + mw for nw, mw in zip(nabla_w, more_w)]
        self.weights = [w - (eta / len(batch)) * nw for w, nw in zip(self.weights, nabla_w)]
        self.biases = [b - (eta / len(batch)) * nb for b, nb in zip(self.biases, nabla_b)]

    def backprop(self, x, y):
        """Gradients of the cost of one example, a list of arrays for biases and one for weights."""
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        a = x
        outputs = [x]
        inputs = []
        for b, w in zip(self.biases, self.weights):
            z = np.dot(w, a) + b
            inputs.append(z)
            a = sigmoid(z)
            outputs.append(a)
        delta = self.cost_derivative(outputs[-1], y) * sigmoid_prime(inputs[-1])
        nabla_b[-1] = delta
        nabla_w[-1] = np.dot(delta, outputs[-2].transpose())
        for l in range(2, self.num_layers):
            delta = np.dot(self.weights[-l + 1].transpose(), delta) * sigmoid_prime(inputs[-l])
            nabla_b[-l] = delta
            nabla_w[-l] = np.dot(delta, outputs[-l - 1].transpose())
        return nabla_b, nabla_w

    def cost_derivative(self, outputs, y):
        return outputs - y


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def sigmoid_prime(z):
    return sigmoid(z) * (1 - sigmoid(z))
