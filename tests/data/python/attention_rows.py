# symbackprop: net = networks/attention.toml
import numpy as np


def softmax_rows(S):
    e = np.exp(S - S.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def attention_backward(X, Wq, Wk, Wv, dO):
    dk = Wq.shape[1]
    scale = 1 / np.sqrt(dk)
    Q, K, V = X @ Wq, X @ Wk, X @ Wv
    P = softmax_rows(Q @ K.T * scale)
    dV = P.T @ dO
    dP = dO @ V.T
    dS = P * (dP - np.sum(dP * P, axis=-1, keepdims=True))
    dQ = dS @ K * scale
    dK = dS.T @ Q * scale
    dWq = X.T @ dQ
    dWk = X.T @ dK
    dWv = X.T @ dV
    return dWq, dWk, dWv
