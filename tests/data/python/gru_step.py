# symbackprop: net = networks/gru.toml
import numpy as np


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def gru_backward(x, h_prev, y, Wz, Uz, Wr, Ur, Wh, Uh):
    z = sigmoid(x @ Wz + h_prev @ Uz)
    r = sigmoid(x @ Wr + h_prev @ Ur)
    g = np.tanh(x @ Wh + (r * h_prev) @ Uh)
    h = (1 - z) * h_prev + z * g
    dh = h - y
    dg = dh * z
    g_in = dg * (1 - g * g)
    dWh = x.T @ g_in
    dUh = (r * h_prev).T @ g_in
    dz = dh * (g - h_prev)
    z_in = dz * z * (1 - z)
    dWz = x.T @ z_in
    dUz = h_prev.T @ z_in
    dr = (g_in @ Uh.T) * h_prev
    r_in = dr * r * (1 - r)
    dWr = x.T @ r_in
    dUr = h_prev.T @ r_in
    dh_prev = dh * (1 - z) + (g_in @ Uh.T) * r + z_in @ Uz.T + r_in @ Ur.T
    return dWz, dUz, dWr, dUr, dWh, dUh, dh_prev
