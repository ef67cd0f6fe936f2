# symbackprop: net = networks/neuron.toml
import math

net = w1 * x1 + w2 * x2 + b
out = 1 / (1 + math.exp(-net))
dE_dout = out - target
dout_dnet = out * (1 - out)
dE_dnet = dE_dout * dout_dnet
dE_dw1 = dE_dnet * x1
dE_dw2 = dE_dnet * x2
dE_db = dE_dnet
eta = 0.5
w1 = w1 - eta * dE_dw1
w2 = w2 - eta * dE_dw2
b = b - eta * dE_db
