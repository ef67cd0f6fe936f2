# symbackprop: net = networks/chars.toml
import numpy as np


def bptt(xs, targets, h0, Wxh, Whh, Why, bh, by):
    T = len(xs)
    state = [h0]
    probs = []
    for x in xs:
        state.append(np.tanh(Wxh @ x + Whh @ state[-1] + bh))
        e = np.exp(Why @ state[-1] + by)
        probs.append(e / e.sum())
    errors = [p - np.eye(len(p))[k] for p, k in zip(probs, targets)]
    dWhy = sum(np.outer(errors[t], state[t + 1]) for t in range(T))
    dby = sum(errors)
    dbh = np.zeros_like(bh)
    dWxh = np.zeros_like(Wxh)
    dWhh = np.zeros_like(Whh)
    carry = np.zeros_like(h0)
    t = T
    while t > 0:
        raw = (Why.T @ errors[t - 1] + carry) * (1 - state[t] ** 2)
        dbh = dbh + raw
        dWxh = dWxh + np.outer(raw, xs[t - 1])
        dWhh = dWhh + np.outer(raw, state[t - 1])
        carry = Whh.T @ raw
        t -= 1
    return dWxh, dWhh, dWhy, dbh, dby
