# symbackprop: net = networks/softmax.toml
import numpy as np

z = W @ x
p = np.exp(z - np.max(z))
p = p / p.sum()
dp = p - t
jacobian = np.diag(p) - np.outer(p, p)
dz = jacobian @ dp
dW = np.outer(dz, x)
