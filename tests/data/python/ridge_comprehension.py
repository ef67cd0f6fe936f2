# symbackprop: net = networks/ridge.toml
def gradient(X, y, w, b, lam):
    n, p = len(X), len(w)
    errors = [sum(w[j] * X[i][j] for j in range(p)) + b - y[i] for i in range(n)]
    dw = [2 * sum(errors[i] * X[i][j] for i in range(n)) / n + 2 * lam * w[j] for j in range(p)]
    db = 2 * sum(errors) / n
    return dw, db
