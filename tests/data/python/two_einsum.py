# symbackprop: net = networks/two.toml
import numpy as np

A1 = 1 / (1 + np.exp(-np.einsum("nd,dh->nh", X, W1) - b1))
exps = np.exp(np.einsum("nh,hk->nk", A1, W2) + b2)
A2 = np.einsum("nk,n->nk", exps, 1 / np.einsum("nk->n", exps))

dZ2 = np.subtract(A2, Y) / len(X)
dW2 = np.einsum("nh,nk->hk", A1, dZ2)
db2 = np.einsum("nk->k", dZ2)
dA1 = np.einsum("nk,hk->nh", dZ2, W2)
dZ1 = np.einsum("nh,nh,nh->nh", dA1, A1, 1 - A1)
dW1 = np.einsum("nd,nh->dh", X, dZ1)
db1 = np.einsum("nh->h", dZ1)
