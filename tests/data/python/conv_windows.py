# symbackprop: net = networks/conv.toml
import numpy as np

K = w.shape[0]
T = x.shape[0] - K + 1
pre = np.array([x[t : t + K] @ w + b for t in range(T)])
delta = np.where(pre > 0, pre - target, 0)
dw = np.array([np.sum(delta * x[k : k + T]) for k in range(K)])
db = np.sum(delta)
