"""A network of m hidden layers with one activation f.

Loss MSE and its gradients by W, by backpropagation. Comments give the shape of every array and
the number of the equation. Needs NumPy alone; runs on Python 3.8 and NumPy 1.20 or newer. As a
script it checks its own gradients.
"""

import numpy as np

PARAMETERS = {
    "W": ("n[i]", "n[i-1]"),
}
INPUTS = {
    "x": ("n[0]",),
    "y": ("n[m+1]",),
}
FAMILIES = {"W": 1}  # lists, so many deep
DEPTHS = ("m",)  # sizes that may be 0


def forward(parameters, inputs, *, f):
    """All tensors of the forward pass by name, families as lists.

    `f` is (function, slope).

    Raises: ValueError where names or shapes do not fit.
    """
    parameters, inputs, sizes, dtype = _checked(parameters, inputs)
    W = dict(enumerate(parameters["W"], start=1))
    x, y = inputs["x"], inputs["y"]
    f, _ = f
    m = sizes["m"]

    z, s = {}, {}
    z[0] = x                                      # (n[0],)   (1)
    for i in range(1, m + 2):
        s[i] = W[i] @ z[i - 1]                    # (n[i],)   (2)
        z[i] = f(s[i])                            # (n[i],)   (3)
    MSE = np.sum((z[m + 1] - y)**2)               # scalar   (4)

    return {
        "z": [z[i] for i in range(m + 2)],
        "s": [s[i] for i in range(1, m + 2)],
        "MSE": np.asarray(MSE, dtype),
    }


def loss_and_gradients(parameters, inputs, *, f):
    """The loss MSE, and its gradients by name, shaped like the parameters.

    Raises: ValueError where names or shapes do not fit.
    """
    given = parameters
    tensors = forward(parameters, inputs, f=f)
    parameters, inputs, sizes, dtype = _checked(parameters, inputs)
    W = dict(enumerate(parameters["W"], start=1))
    y = inputs["y"]
    MSE = tensors["MSE"]
    z = dict(enumerate(tensors["z"], start=0))
    s = dict(enumerate(tensors["s"], start=1))
    _, f_prime = f
    m = sizes["m"]

    k, dW = {}, {}
    for i in range(m + 1, 0, -1):
        if i == m + 1:
            k[i] = 2 * (z[m + 1] - y) * f_prime(s[m + 1])  # (n[i],)   (5)
        else:
            k[i] = (W[i + 1].T @ k[i + 1]) * f_prime(s[i])  # (n[i],)   (5)
        dW[i] = np.outer(k[i], z[i - 1])          # (n[i], n[i-1])   (6)

    gradients = {
        "W": [dW[i] for i in range(1, m + 2)],
    }
    return float(MSE), {name: _as_given(gradients[name], given[name], dtype) for name in PARAMETERS}


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
    shapes.append(("the list W", ({"m": 1, "": 1},), (len(parameters["W"]),)))
    for i, member in enumerate(parameters["W"], start=1):
        shapes.append((f"W[{i}]", (("n", i), ("n", i - 1)), member.shape))
    sizes = _solve(shapes, partial=True)
    shapes.append(("y", ({("n", sizes["m"] + 1): 1},), inputs["y"].shape))
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
    m = 3
    n = {0: 3, 1: 4, 2: 5, 3: 2, 4: 1}
    parameters = {
        "W": [np.asarray(0.5 * rng.standard_normal((n[i], n[i - 1]))) for i in range(1, m + 2)],
    }
    inputs = {
        "x": np.asarray(rng.standard_normal((n[0],))),
        "y": np.asarray(rng.standard_normal((n[m + 1],))),
    }
    functions = {
        "f": (np.sin, np.cos),
    }
    return parameters, inputs, functions


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
                    slope += weight * float(forward(parameters, inputs, **functions)["MSE"]) / (12 * step)
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
