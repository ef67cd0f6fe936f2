# symbackprop: net = networks/conv.toml
import numpy as np

K = len(w)
T = len(x) - K + 1
y = np.zeros(T)
for t in range(T):
    for k in range(K):
        y[t] += x[t + k] * w[k]
    y[t] += b
a = np.maximum(y, 0)

dy = (a - target) * (y > 0)
dw = np.zeros(K)
db = 0
for t in range(T):
    for k in range(K):
        dw[k] += dy[t] * x[t + k]
    db += dy[t]
