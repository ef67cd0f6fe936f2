# symbackprop: net = networks/two.toml
import numpy as np


def compute_gradients(X, Y, W1, b1, W2, b2):
    # forward pass
    A1 = 1 / (1 + np.exp(-(X @ W1 + b1)))
    logits = A1 @ W2 + b2
    logits = logits - logits.max(axis=1).reshape(-1, 1)
    A2 = np.exp(logits) / np.exp(logits).sum(axis=1).reshape(-1, 1)

    # chain rule, from the loss back to the input
    dL_dZ2 = (1.0 / X.shape[0]) * (A2 - Y)
    dL_dA1 = np.dot(dL_dZ2, np.transpose(W2))
    dA1_dZ1 = np.multiply(A1, np.subtract(1, A1))
    dL_dZ1 = np.multiply(dL_dA1, dA1_dZ1)

    dL_dW2 = np.dot(np.transpose(A1), dL_dZ2)
    dL_db2 = np.sum(dL_dZ2, axis=0)
    dL_dW1 = np.dot(np.transpose(X), dL_dZ1)
    dL_db1 = np.sum(dL_dZ1, axis=0)
    return {"W1": dL_dW1, "b1": dL_db1, "W2": dL_dW2, "b2": dL_db2}
