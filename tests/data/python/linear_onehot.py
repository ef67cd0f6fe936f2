# symbackprop: net = networks/linear.toml
import numpy as np

scores = X @ W
scores -= scores.max(axis=1, keepdims=True)
probs = np.exp(scores)
probs /= probs.sum(axis=1, keepdims=True)
labels = np.eye(W.shape[1])[y]
dscores = (probs - labels) / X.shape[0]
dW = X.T @ dscores + 2 * reg * W
