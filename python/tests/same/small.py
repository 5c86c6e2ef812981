"""Small things that packages rely on."""

import copy
import io
import pickle


def case_assignments_drop_dimensions_of_size_1(torch):
    a, b, c = torch.zeros(3), torch.zeros(2, 3), torch.zeros(2, 3)
    a[0] = torch.tensor([3.0])
    b[0] = torch.ones(1, 1, 3)
    c[torch.tensor([1])] = torch.ones(1, 1, 1, 3)
    return [a, b, c]


def case_new_tensors(torch):
    x = torch.zeros(3, dtype=torch.float64)
    made = [x.new(2, 2), x.new(torch.Size((3,))), x.new()]
    return [[list(t.shape), str(t.dtype)] for t in made] + [x.new([1, 2])]


def case_functions_of_a_graph(torch):
    x = torch.ones(2, requires_grad=True)
    names, f = [], (x * 2 + 1).sum().grad_fn
    while f is not None:
        names.append([f.name(), type(f).__name__])
        f = f.next_functions[0][0] if f.next_functions else None
    b = (x.detach() * 2).requires_grad_()
    (b * b).sum().backward()
    only = torch.autograd.grad((x * x).sum(), x, only_inputs=True, allow_unused=True)
    return [names, b.grad, b.is_leaf, only]


def case_memory(torch):
    x, y = torch.zeros(2), torch.ones(3)
    x.set_(y)
    y[0] = 5
    z = torch.frombuffer(bytearray(b"\x00\x00\x80?" * 3), dtype=torch.float32, count=2, offset=4)
    storage = torch.arange(4.0).untyped_storage()
    return [x, z, storage.nbytes(), list(storage)[:8], torch.zeros(2).erfinv_()]


def case_lists_of_tensors(torch):
    xs, ys = [torch.ones(2), torch.arange(3.0)], [torch.full((2,), 3.0), torch.ones(3)]
    out = [
        torch._foreach_add(xs, ys, alpha=2),
        torch._foreach_mul(xs, 3),
        torch._foreach_div(xs, [2.0, 4.0]),
        torch._foreach_sqrt(xs),
        torch._foreach_norm(xs),
        torch._foreach_addcmul(xs, ys, ys, 0.5),
        torch._foreach_addcdiv(xs, ys, ys, [1.0, 2.0]),
        torch._foreach_lerp(xs, ys, 0.5),
        torch._foreach_maximum(xs, ys),
        torch._foreach_pow(xs, 2),
    ]
    torch._foreach_add_(xs, 1)
    torch._foreach_zero_(ys)
    torch._foreach_lerp_(xs, ys, 0.25)
    return [*out, xs, ys]


def case_copies_of_optimizers(torch):
    out = []
    for name in ("SGD", "Adam", "AdamW", "RMSprop"):
        torch.manual_seed(0)
        net = torch.nn.Linear(2, 2)
        optimizer = getattr(torch.optim, name)(net.parameters(), lr=0.1)
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)
        for _ in range(2):
            net(torch.ones(1, 2)).sum().backward()
            optimizer.step()
            schedule.step()
        for again in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
            again.step()
            out.append([p for group in again.param_groups for p in group["params"]])
        out += [copy.deepcopy(schedule).get_last_lr(), type(optimizer.state).__name__]
    return out


def case_copies_of_generators(torch):
    generator = torch.Generator()
    generator.manual_seed(3)
    torch.rand(5, generator=generator)
    return [
        torch.rand(3, generator=copied)
        for copied in (pickle.loads(pickle.dumps(generator)), copy.deepcopy(generator), generator)
    ]


def case_optimizers_of_programs(torch):
    from collections import defaultdict

    class Mine(torch.optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {"lr": 0.1})

        def __setstate__(self, state):
            super().__setstate__(state)
            self.restored = True

        @torch.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    self.state[p]["count"] = self.state[p].get("count", 0) + 1
                    p.add_(p.grad, alpha=-group["lr"])

    p = torch.nn.Parameter(torch.ones(1))
    mine = Mine([p])
    (p * p).backward()
    mine.step()
    again = copy.deepcopy(mine)
    return [p, again.state_dict(), again.restored, isinstance(again.state, defaultdict)]


def case_texts_of_layers(torch):
    nn = torch.nn
    layers = [nn.LeakyReLU(), nn.LeakyReLU(0.1, True), nn.ELU(inplace=True), nn.ReLU(True)]
    return [repr(layer) for layer in layers]


def case_updates_of_dictionaries(torch):
    calls = []

    class Own(torch.nn.ModuleDict):
        def update(self, modules):
            calls.append(list(modules))
            super().update(modules)

    return [list(Own({"a": torch.nn.ReLU()})), calls]


def case_values_in_files(torch):
    file = io.BytesIO()
    torch.save({"net": torch.nn.Linear(2, 1), "range": range(3)}, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=False)
    return [type(loaded["net"]).__name__, list(loaded["range"])]
