# symbackprop: net = networks/labels.toml
import numpy as np


class TwoLayerNet:
    def __init__(self, input_size, hidden_size, output_size, std=1e-4):
        self.params = {}
        self.params["W1"] = std * np.random.randn(input_size, hidden_size)
        self.params["b1"] = np.zeros(hidden_size)
        self.params["W2"] = std * np.random.randn(hidden_size, output_size)
        self.params["b2"] = np.zeros(output_size)

    def loss(self, X, y=None, reg=0.0):
        W1, b1 = self.params["W1"], self.params["b1"]
        W2, b2 = self.params["W2"], self.params["b2"]
        N, D = X.shape
        act = np.maximum(0, X.dot(W1) + b1)
        out = act.dot(W2) + b2
        if y is None:
            return out
        exp_out = np.exp(out - out.max(axis=1, keepdims=True))
        prob = exp_out / exp_out.sum(axis=1, keepdims=True)
        loss = -np.log(prob[range(N), y]).sum() / N
        loss += 0.5 * reg * (np.sum(W1 * W1) + np.sum(W2 * W2))

        grads = {}
        dout = prob.copy()
        dout[np.arange(N), y] -= 1
        dout /= N
        grads["W2"] = act.T.dot(dout) + reg * W2
        grads["b2"] = np.sum(dout, axis=0)
        dact = dout.dot(W2.T)
        dact[act <= 0] = 0
        grads["W1"] = X.T.dot(dact) + reg * W1
        grads["b1"] = np.sum(dact, axis=0)
        return loss, grads
