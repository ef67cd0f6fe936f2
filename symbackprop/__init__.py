"""symbackprop derives backpropagation: handouts, code and checks from one network file."""
