# symbackprop: net = networks/labels.toml
import numpy as np


def affine_forward(x, w, b):
    return x.dot(w) + b, (x, w, b)


def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout.dot(w.T)
    dw = x.T.dot(dout)
    db = np.sum(dout, axis=0)
    return dx, dw, db


def relu_forward(x):
    return np.maximum(0, x), x


def relu_backward(dout, cache):
    x = cache
    return dout * (x > 0)


def softmax_loss(x, y):
    shifted = x - np.max(x, axis=1, keepdims=True)
    log_probs = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
    N = x.shape[0]
    loss = -np.sum(log_probs[np.arange(N), y]) / N
    dx = np.exp(log_probs)
    dx[np.arange(N), y] -= 1
    dx /= N
    return loss, dx


def loss_and_grads(params, X, y, reg):
    grads = {}
    a, cache1 = affine_forward(X, params["W1"], params["b1"])
    h, cache_relu = relu_forward(a)
    out, cache2 = affine_forward(h, params["W2"], params["b2"])
    loss, dout = softmax_loss(out, y)
    dh, grads["W2"], grads["b2"] = affine_backward(dout, cache2)
    da = relu_backward(dh, cache_relu)
    _, grads["W1"], grads["b1"] = affine_backward(da, cache1)
    grads["W2"] += reg * params["W2"]
    grads["W1"] += reg * params["W1"]
    return loss, grads
