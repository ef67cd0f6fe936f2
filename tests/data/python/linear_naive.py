# symbackprop: net = networks/linear.toml
import numpy as np


def softmax_loss_naive(W, X, y, reg):
    loss = 0.0
    dW = np.zeros_like(W)
    num_train, num_classes = X.shape[0], W.shape[1]
    for i in range(num_train):
        row = X[i].dot(W)
        row -= np.max(row)
        p = np.exp(row) / np.sum(np.exp(row))
        loss += -np.log(p[y[i]])
        for c in range(num_classes):
            if c == y[i]:
                dW[:, c] += (p[c] - 1) * X[i]
            else:
                dW[:, c] += p[c] * X[i]
    loss = loss / num_train + reg * np.sum(W * W)
    dW = dW / num_train + 2 * reg * W
    return loss, dW
