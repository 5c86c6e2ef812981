"""Gradients of gradients, and gradients of some of the leaves."""

from . import error_of

TOLERANCE = 1e-8


def _weights(torch):
    torch.manual_seed(5)
    return (torch.randn(n, m, requires_grad=True, dtype=torch.float64) for n, m in ((3, 4), (4, 2)))


def _twice(torch, f, *xs):
    """First gradients, and those of the sum of their squares."""
    first = torch.autograd.grad(f(*xs), xs, create_graph=True)
    total = sum((g**2).sum() for g in first)
    second = torch.autograd.grad(total, xs, allow_unused=True)
    return [first, [s if s is None else s for s in second]]


def case_functions(torch):
    F = torch.nn.functional
    x, w = _weights(torch)
    target = torch.tensor([0, 1, 1])
    leaf = {"requires_grad": True, "dtype": torch.float64}
    image, kernel = torch.randn(2, 2, 5, 5, **leaf), torch.randn(3, 2, 3, 3, **leaf)
    scale, shift = torch.rand(2, **leaf), torch.rand(2, **leaf)
    ones = torch.ones(2, dtype=torch.float64)
    cube = lambda x: (x**3).sum()  # noqa: E731
    return {
        "cube": _twice(torch, cube, x),
        "exp": _twice(torch, lambda x: (x.exp() * x.sin()).sum(), x),
        "log": _twice(torch, lambda x: (x.abs() + 1).log().sum(), x),
        "tanh": _twice(torch, lambda x: torch.tanh(x).sum(), x),
        "sigmoid": _twice(torch, lambda x: torch.sigmoid(x).sum(), x),
        "softplus": _twice(torch, lambda x: F.softplus(x).sum(), x),
        "gelu": _twice(torch, lambda x: F.gelu(x).sum(), x),
        "silu": _twice(torch, lambda x: F.silu(x).sum(), x),
        "elu": _twice(torch, lambda x: F.elu(x).sum(), x),
        "leaky": _twice(torch, lambda x: (F.leaky_relu(x, 0.1) ** 2).sum(), x),
        "relu": _twice(torch, lambda x: (torch.relu(x) ** 2).sum(), x),
        "divide": _twice(torch, lambda x: (1 / (x**2 + 1)).sum(), x),
        "sqrt": _twice(torch, lambda x: (x**2 + 1).sqrt().sum(), x),
        "matmul": _twice(torch, lambda x, w: ((x @ w) ** 3).sum(), x, w),
        "norm": _twice(torch, lambda x: x.norm(), x),
        "softmax": _twice(torch, lambda x: (torch.softmax(x, 1) ** 2).sum(), x),
        "log_softmax": _twice(torch, lambda x: (torch.log_softmax(x, 1) ** 2).sum(), x),
        "cross_entropy": _twice(torch, lambda x, w: F.cross_entropy(x @ w, target), x, w),
        "mse": _twice(torch, lambda x: F.mse_loss(x**2, torch.ones(3, 4, dtype=x.dtype)), x),
        "mean": _twice(torch, lambda x: (x.mean(0) ** 3).sum(), x),
        "var": _twice(torch, lambda x: x.var(0).sum() ** 2, x),
        "max": _twice(torch, lambda x: (x.max(1)[0] ** 3).sum(), x),
        "index": _twice(torch, lambda x: (x[target] ** 3).sum(), x),
        "cat": _twice(torch, lambda x: (torch.cat([x, x * 2]) ** 3).sum(), x),
        "transpose": _twice(torch, lambda x: (x.t()[1:] ** 3).sum(), x),
        "conv": _twice(torch, lambda i, k: (F.conv2d(i, k, padding=1) ** 2).sum(), image, kernel),
        "strided conv": _twice(
            torch, lambda i, k: (F.conv2d(i, k, stride=2) ** 2).sum(), image, kernel
        ),
        "average pool": _twice(torch, lambda i: (F.avg_pool2d(i, 2) ** 3).sum(), image),
        "max pool": _twice(torch, lambda i: (F.max_pool2d(i, 2) ** 3).sum(), image),
        "batch norm": _twice(
            torch,
            lambda i, s, t: (F.batch_norm(i, None, None, s, t, True) ** 3).sum(),
            image,
            scale,
            shift,
        ),
        "batch norm in evaluation": _twice(
            torch,
            lambda i, s: (F.batch_norm(i, ones, ones, s) ** 3).sum(),
            image,
            scale,
        ),
        "layer norm": _twice(torch, lambda x: (F.layer_norm(x, (4,)) ** 3).sum(), x),
        "interpolate": _twice(
            torch, lambda i: (F.interpolate(i, scale_factor=2) ** 3).sum(), image
        ),
    }


def case_third(torch):
    x = torch.tensor(1.5, requires_grad=True, dtype=torch.float64)
    y, out = x * x * x * x * x, []
    for _ in range(4):
        (y,) = torch.autograd.grad(y, x, create_graph=True)
        out.append(y)
    return out


def case_gradient_penalty(torch):
    nn = torch.nn
    torch.manual_seed(8)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(36, 1)
    ).double()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    out = []
    for _ in range(3):
        x = torch.randn(6, 1, 5, 5, requires_grad=True, dtype=torch.float64)
        score = net(x)
        (g,) = torch.autograd.grad(score.sum(), x, create_graph=True)
        loss = score.mean() + ((g.flatten(1).norm(dim=1) - 1) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        out.append([loss, net[0].weight.grad.norm(), net[4].weight.grad.norm()])
        optimizer.step()
    return out


def case_some_leaves(torch):
    x, w = _weights(torch)
    ((x @ w) ** 2).sum().backward(inputs=[w])
    out = [x.grad, w.grad]
    ((x @ w) ** 2).sum().backward(inputs=x)
    out += [x.grad, w.grad]
    x.grad = None
    (x**3).sum().backward(create_graph=True, inputs=[x])
    out += [x.grad.requires_grad]
    (x.grad**2).sum().backward(inputs=[w, x])
    out += [x.grad.detach()]
    z = torch.ones(2, requires_grad=True)
    out.append(torch.autograd.grad((x**2).sum(), [x, z], allow_unused=True)[1] is None)
    out.append(torch.autograd.grad((x**2).sum(), [x, z], materialize_grads=True)[1])
    out.append(error_of(lambda: torch.autograd.grad((x**2).sum(), [x, z]))[:12])
    out.append(error_of(lambda: torch.autograd.grad(x, x)))
    return out


def case_backward_with_create_graph(torch):
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    (x**3).sum().backward(create_graph=True)
    first, gradient = x.grad, x.grad.clone()
    (second,) = torch.autograd.grad(x.grad.sum(), x, retain_graph=True)
    y = (x**2).sum()
    y.backward(create_graph=True)  # accumulates into another tensor
    penalty = (x.grad**2).sum()
    (mixed,) = torch.autograd.grad(penalty, x)
    return {
        "first": gradient,
        "requires_grad": first.requires_grad,
        "second": second,
        "kept": [first, first is x.grad],
        "accumulated": x.grad,
        "mixed": mixed,
    }
