# symbackprop: net = networks/softmax.toml
import numpy as np


def softmax_grad(s):
    J = np.zeros((len(s), len(s)))
    for i in range(len(s)):
        for j in range(len(s)):
            if i == j:
                J[i, j] = s[i] * (1 - s[i])
            else:
                J[i][j] = -s[i] * s[j]
    return J


e = np.exp(W.dot(x))
s = e / e.sum()
delta = softmax_grad(s).T.dot(s - t)
dW = delta.reshape(-1, 1) * x.reshape(1, -1)
