"""A sigmoid network of M layers, weights indexed from input to output.

Loss L and its gradients by w, by backpropagation. Comments give the shape of every array and
the number of the equation. Needs NumPy alone; runs on Python 3.8 and NumPy 1.20 or newer. As a
script it checks its own gradients.
"""

import numpy as np

PARAMETERS = {
    "w": ("n[l-1]", "n[l]"),
}
INPUTS = {
    "x": ("n[0]",),
    "yhat": ("n[M]",),
}
FAMILIES = {"w": 1}  # lists, so many deep
DEPTHS = ("M",)  # sizes that may be 0


def sigmoid(x):
    """sigmoid, entry by entry."""
    return 0.5 * (1 + np.tanh(0.5 * x))


def forward(parameters, inputs):
    """All tensors of the forward pass by name, families as lists.

    Raises: ValueError where names or shapes do not fit.
    """
    parameters, inputs, sizes, dtype = _checked(parameters, inputs)
    w = dict(enumerate(parameters["w"], start=1))
    x, yhat = inputs["x"], inputs["yhat"]
    M = sizes["M"]

    a, s = {}, {}
    a[0] = x                                      # (n[0],)   (1)
    for l in range(1, M + 1):
        s[l] = a[l - 1] @ w[l]                    # (n[l],)   (2)
        a[l] = sigmoid(s[l])                      # (n[l],)   (3)
    L = np.sum((a[M] - yhat)**2) / 2              # scalar   (4)

    return {
        "a": [a[l] for l in range(M + 1)],
        "s": [s[l] for l in range(1, M + 1)],
        "L": np.asarray(L, dtype),
    }


def loss_and_gradients(parameters, inputs):
    """The loss L, and its gradients by name, shaped like the parameters.

    Raises: ValueError where names or shapes do not fit.
    """
    given = parameters
    tensors = forward(parameters, inputs)
    parameters, inputs, sizes, dtype = _checked(parameters, inputs)
    w = dict(enumerate(parameters["w"], start=1))
    yhat = inputs["yhat"]
    L = tensors["L"]
    a = dict(enumerate(tensors["a"], start=0))
    M = sizes["M"]

    delta, dw = {}, {}
    for l in range(M, 0, -1):
        if l == M:
            delta[l] = (a[M] - yhat) * a[M] * (1 - a[M])  # (n[l],)   (5)
        else:
            delta[l] = (delta[l + 1] @ w[l + 1].T) * a[l] * (1 - a[l])  # (n[l],)   (5)
        dw[l] = np.outer(a[l - 1], delta[l])      # (n[l-1], n[l])   (6)

    gradients = {
        "w": [dw[l] for l in range(1, M + 1)],
    }
    return float(L), {name: _as_given(gradients[name], given[name], dtype) for name in PARAMETERS}


def gradient_step(parameters, gradients, rate):
    """New parameters: each less `rate` times its gradient."""
    return {name: _stepped(parameters[name], gradients[name], rate) for name in PARAMETERS}


def flatten(gradients):
    """All gradients as one vector, in the order of PARAMETERS."""
    parts = [np.ravel(member) for name in PARAMETERS for member in _members(gradients[name])]
    return np.concatenate(parts) if parts else np.zeros(0)


# ----------------------------------------------------------------------------------------------------------------------
# Arguments: their names, shapes and sizes


def _checked(parameters, inputs):
    """Arguments as arrays of one dtype (families as lists), sizes of all axes, and that dtype.

    Raises: ValueError that names the tensor, its axes, what was expected and what was found.
    """
    parameters = _arrays(parameters, PARAMETERS, "parameters")
    inputs = _arrays(inputs, INPUTS, "inputs")
    numbers = _members(list(parameters.values())) or _members(list(inputs.values()))
    dtype = np.result_type(*numbers) if numbers else np.dtype(float)
    if dtype.kind not in "fc":
        dtype = np.dtype(float)
    parameters = {name: _cast(value, dtype) for name, value in parameters.items()}
    inputs = {name: _cast(value, dtype) for name, value in inputs.items()}
    shapes = []
    shapes.append(("x", (("n", 0),), inputs["x"].shape))
    shapes.append(("the list w", ("M",), (len(parameters["w"]),)))
    for l, member in enumerate(parameters["w"], start=1):
        shapes.append((f"w[{l}]", (("n", l - 1), ("n", l)), member.shape))
    sizes = _solve(shapes, partial=True)
    shapes.append(("yhat", ({("n", sizes["M"]): 1},), inputs["yhat"].shape))
    sizes = _solve(shapes)
    return parameters, inputs, sizes, dtype


def _arrays(given, axes, kind):
    """The arrays by name, families as lists of arrays."""
    for name in given:
        if name not in axes:
            raise ValueError("unknown name {!r} in {}; expected {}".format(name, kind, ", ".join(axes) or "none"))
    for name in axes:
        if name not in given:
            raise ValueError("{!r} is missing in {}; expected {}".format(name, kind, ", ".join(axes)))
    return {name: _as_arrays(given[name], FAMILIES.get(name, 0), name) for name in axes}


def _as_arrays(value, depth, name):
    if depth:
        if not isinstance(value, (list, tuple, np.ndarray)):
            raise ValueError("{}: expected a list of arrays, found {}".format(name, type(value).__name__))
        return [_as_arrays(member, depth - 1, name) for member in value]
    array = np.asarray(value)
    if array.dtype.kind not in "biufc":
        raise ValueError("{}: expected numbers, found an array of dtype {}".format(name, array.dtype))
    return array


def _members(value):
    """All arrays of a list of lists of arrays."""
    if isinstance(value, (list, tuple)):
        return [array for member in value for array in _members(member)]
    return [value]


def _cast(value, dtype):
    return [_cast(member, dtype) for member in value] if isinstance(value, list) else value.astype(dtype)


def _as_given(gradient, given, dtype):
    """A gradient in the form of its parameter: an array, a list, or one array for a family given as one."""
    if not isinstance(gradient, list):
        return np.array(gradient, dtype=dtype)
    if isinstance(given, np.ndarray) and not len(given):
        return np.zeros(given.shape, dtype)
    members = [_as_given(member, part, dtype) for member, part in zip(gradient, given)]
    return np.stack(members) if isinstance(given, np.ndarray) else members


def _stepped(value, gradient, rate):
    if isinstance(value, (list, tuple)):
        return [_stepped(member, slope, rate) for member, slope in zip(value, gradient)]
    return np.asarray(value - rate * gradient, dtype=gradient.dtype)


def _solve(shapes, partial=False):
    """Sizes of all axes, from (name, axes, shape) of every array.

    An axis is the key of a size, or a dictionary of sizes with their coefficients and a constant under "".
    """
    sizes = {"": 1}
    todo = []
    for name, axes, shape in shapes:
        if len(axes) != len(shape):
            raise ValueError("{} has axes {}: expected {} of them, found shape {}".format(
                name, _shown_axes(axes), len(axes), tuple(shape)))
        todo += [(name, axis if isinstance(axis, dict) else {axis: 1}, size) for axis, size in zip(axes, shape)]
    waiting = -1
    while len(todo) != waiting:
        waiting, later = len(todo), []
        for name, axis, size in todo:
            unknown = [key for key in axis if key not in sizes]
            if len(unknown) > 1:
                later.append((name, axis, size))
            elif unknown:
                key = unknown[0]
                rest = size - sum(times * sizes[other] for other, times in axis.items() if other != key)
                sizes[key], left = divmod(rest, axis[key])
                if left:
                    raise ValueError("{}: an axis {} of length {} leaves no whole number for {}".format(
                        name, _shown(axis), size, _shown(key)))
                least = 0 if key in DEPTHS else 1
                if sizes[key] < least:
                    raise ValueError("{}: an axis {} of length {} makes {} = {}; expected at least {}".format(
                        name, _shown(axis), size, _shown(key), sizes[key], least))
        todo = later
    if partial:
        return sizes
    for name, axis, size in todo:
        missing = [_shown(key) for key in axis if key not in sizes]
        if missing:
            raise ValueError("{}: an axis {} of length {} does not determine {}".format(
                name, _shown(axis), size, " and ".join(missing)))
    for name, axes, shape in shapes:
        forms = [axis if isinstance(axis, dict) else {axis: 1} for axis in axes]
        expected = tuple(sum(times * sizes[key] for key, times in form.items()) for form in forms)
        if expected != tuple(shape):
            raise ValueError("{} has axes {}: expected shape {}, found {}".format(
                name, _shown_axes(axes), expected, tuple(shape)))
    return sizes


def _shown(axis):
    """A size or an axis as people write it."""
    if isinstance(axis, dict):
        text = "".join("{:+d}{}".format(times, "*" + _shown(key) if key else "") for key, times in axis.items())
        return text.replace("+1*", "+").replace("-1*", "-").lstrip("+")
    return axis if isinstance(axis, str) else "{}[{}]".format(axis[0], ", ".join(map(str, axis[1:])))


def _shown_axes(axes):
    return "({})".format(", ".join(map(_shown, axes)))


# ----------------------------------------------------------------------------------------------------------------------
# The check of the gradients


def _example(rng):
    """Small random parameters and inputs."""
    M = 3
    n = {0: 2, 1: 4, 2: 5, 3: 6}
    parameters = {
        "w": [np.asarray(0.5 * rng.standard_normal((n[l - 1], n[l]))) for l in range(1, M + 1)],
    }
    inputs = {
        "x": np.asarray(rng.standard_normal((n[0],))),
        "yhat": np.asarray(rng.standard_normal((n[M],))),
    }
    return parameters, inputs, {}


def check(seed=0, step=1e-4):
    """Largest difference between each gradient and central differences, relative to its largest entry.

    Of large arrays, about fifty entries are compared.
    """
    parameters, inputs, functions = _example(np.random.default_rng(seed))
    _, gradients = loss_and_gradients(parameters, inputs, **functions)
    errors = {}
    for name in PARAMETERS:
        largest, error = 1e-6, 0.0
        for array, gradient in zip(_members(parameters[name]), _members(gradients[name])):
            for place in list(np.ndindex(array.shape))[::max(1, array.size // 50)]:
                kept, slope = array[place], 0.0
                for weight, moves in ((8, 1), (-8, -1), (-1, 2), (1, -2)):
                    array[place] = kept + moves * step
                    slope += weight * float(forward(parameters, inputs, **functions)["L"]) / (12 * step)
                array[place] = kept
                error = max(error, abs(slope - gradient[place]))
                largest = max(largest, abs(gradient[place]))
        errors[name] = error / largest
    return errors


def main():
    """Print the check of every gradient; 0 where all are right."""
    errors = check()
    for name, error in errors.items():
        print("{:<12} {}".format(name, "right" if error < 1e-6 else "wrong by {:.1e}".format(error)))
    return 0 if all(error < 1e-6 for error in errors.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
