# symbackprop: net = networks/lstm.toml
import numpy as np


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    gates = x.dot(Wx) + prev_h.dot(Wh) + b
    i = sigmoid(gates[:, :H])
    f = sigmoid(gates[:, H : 2 * H])
    o = sigmoid(gates[:, 2 * H : 3 * H])
    g = np.tanh(gates[:, 3 * H :])
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    return next_h, next_c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c)


def lstm_step_backward(dnext_h, dout_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    squashed = np.tanh(next_c)
    dnext_c = dout_c + dnext_h * o * (1 - squashed**2)
    do = dnext_h * squashed
    di = dnext_c * g
    dg = dnext_c * i
    df = dnext_c * prev_c
    dprev_c = dnext_c * f
    da = np.hstack((di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)))
    dx = da.dot(Wx.T)
    dprev_h = da.dot(Wh.T)
    dWx = x.T.dot(da)
    dWh = prev_h.T.dot(da)
    db = da.sum(axis=0)
    return dx, dprev_h, dprev_c, dWx, dWh, db


next_h, next_c, cache = lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b)
dx, dprev_h, dprev_c, dWx, dWh, db = lstm_step_backward(dnext_h, dout_c, cache)
