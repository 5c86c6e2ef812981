"""`nn.utils.prune`: masks, names, training of what is pruned, errors."""

from . import error_of

TOLERANCE = 5e-6


def _module(torch):
    from importlib import import_module

    return import_module(f"{torch.__name__}.nn.utils.prune")


def _layers(torch):
    nn = torch.nn
    return (
        (lambda: nn.Linear(4, 3), (5, 4)),
        (lambda: nn.Conv1d(2, 3, 3), (2, 2, 6)),
        (lambda: nn.Conv2d(2, 3, 2), (2, 2, 4, 4)),
        (lambda: nn.ConvTranspose2d(2, 3, 2), (2, 2, 3, 3)),
    )


def _names(net):
    return [[n for n, _ in net.named_parameters()], [n for n, _ in net.named_buffers()]]


def _pruned(torch, steps):
    """Masks of every layer after each step, two steps of training, and what `remove` leaves."""
    prune, out = _module(torch), []
    for make, shape in _layers(torch):
        torch.manual_seed(3)
        net = make()
        found = [[step(prune, net) is net, net.weight_mask, net.weight] for step in steps]
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        x = torch.randn(*shape)
        for _ in range(2):
            optimizer.zero_grad()
            loss = (net(x) ** 2).mean()
            loss.backward()
            optimizer.step()
            found.append([loss, net.weight_orig.grad.sum()])
        found += [_names(net), list(net.state_dict()), prune.is_pruned(torch.nn.Sequential(net))]
        found += [[type(h).__name__ for h in net._forward_pre_hooks.values()]]
        prune.remove(net, "weight")
        found += [_names(net), net.weight, net(x).sum(), prune.is_pruned(net)]
        found += [isinstance(net.weight, torch.nn.Parameter), torch.rand(1)]
        out.append(found)
    return out


def case_single(torch):
    return {
        name: _pruned(torch, [step])
        for name, step in {
            "identity": lambda p, m: p.identity(m, "weight"),
            "l1": lambda p, m: p.l1_unstructured(m, "weight", 0.4),
            "l1 of a number": lambda p, m: p.l1_unstructured(m, name="weight", amount=5),
            "l1 of nothing": lambda p, m: p.l1_unstructured(m, "weight", 0),
            "l1 of scores": lambda p, m: p.l1_unstructured(
                m, "weight", 3, importance_scores=-(m.weight.detach() - 0.1).abs().reciprocal()
            ),
            "random": lambda p, m: p.random_unstructured(m, "weight", 0.5),
            "random slices": lambda p, m: p.random_structured(m, "weight", 1, 0),
            "random slices at the end": lambda p, m: p.random_structured(m, "weight", 0.5, dim=-1),
            "slices by length": lambda p, m: p.ln_structured(m, "weight", 0.4, 2, 0),
            "slices by sum": lambda p, m: p.ln_structured(m, "weight", amount=1, n=1, dim=1),
            "slices by least": lambda p, m: p.ln_structured(m, "weight", 1, -float("inf"), -1),
            "mask": lambda p, m: p.custom_from_mask(m, "weight", m.weight > 0),
        }.items()
    }


def case_one_after_the_other(torch):
    def of_own(p, m):
        class Every(p.BasePruningMethod):
            PRUNING_TYPE = "unstructured"

            def compute_mask(self, t, default_mask):
                mask = default_mask.clone()
                mask.view(-1)[::2] = 0
                return mask

        Every.apply(m, "weight")
        return m

    return _pruned(
        torch,
        [
            lambda p, m: p.random_unstructured(m, "weight", 3),
            lambda p, m: p.l1_unstructured(m, "weight", 0.3),
            lambda p, m: p.ln_structured(m, "weight", 1, 2, 0),
            lambda p, m: p.random_structured(m, "weight", 1, 0),
            of_own,
            lambda p, m: p.custom_from_mask(m, "weight", m.weight < 1),
        ],
    )


def case_together(torch):
    prune, nn = _module(torch), torch.nn
    out = []
    for method, options in (
        (prune.L1Unstructured, {"amount": 0.6}),
        (prune.RandomUnstructured, {"amount": 9}),
    ):
        torch.manual_seed(1)
        net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
        pairs = [(net[0], "weight"), (net[2], "weight"), (net[2], "bias")]
        prune.random_unstructured(net[0], "weight", 2)
        scores = {(net[2], "bias"): torch.ones(2)}
        prune.global_unstructured(pairs, method, scores, **options)
        out.append([getattr(m, f"{n}_mask") for m, n in pairs])
        out.append([list(net.state_dict()), net(torch.ones(1, 4))])
    return out


def case_tensors(torch):
    prune = _module(torch)
    torch.manual_seed(5)
    t = torch.randn(3, 4)
    kinds = (
        prune.L1Unstructured(3),
        prune.LnStructured(1, 1, 1),
        prune.RandomStructured(0.5, 0),
        prune.CustomFromMask(t > 0),
    )
    out = [[k.prune(t), k.prune(t, torch.eye(3, 4)), k.prune(t, None, t * -t)] for k in kinds]
    kinds[0]._tensor_name = kinds[1]._tensor_name = "weight"
    container = prune.PruningContainer(kinds[0])
    container.add_pruning_method(kinds[1])
    return [*out, len(container), container[1] is kinds[1], [k.PRUNING_TYPE for k in container]]


def case_errors(torch):
    prune, nn = _module(torch), torch.nn
    net, flat = nn.Linear(3, 2), torch.ones(4)

    class Failing(prune.BasePruningMethod):
        PRUNING_TYPE = "unstructured"

        def compute_mask(self, t, default_mask):
            raise RuntimeError("no mask")

    class Unnamed(prune.L1Unstructured):
        PRUNING_TYPE = "structured"

    calls = [
        lambda: prune.L1Unstructured(1.5),
        lambda: prune.L1Unstructured(-0.1),
        lambda: prune.RandomUnstructured(-3),
        lambda: prune.LnStructured("a", 2),
        lambda: prune.l1_unstructured(net, "weight", 7),
        lambda: prune.ln_structured(net, "weight", 3, 2, 0),
        lambda: prune.ln_structured(net, "bias", 1, 2, 0),
        lambda: prune.random_structured(net, "weight", 1, 2),
        lambda: prune.l1_unstructured(net, "weight", 1, importance_scores=flat),
        lambda: prune.L1Unstructured(1).prune(flat, importance_scores=torch.ones(2)),
        lambda: prune.custom_from_mask(net, "weight", flat),
        lambda: Failing.apply(net, "weight"),
        lambda: prune.remove(net, "weight"),
        lambda: prune.PruningContainer().add_pruning_method(3),
        lambda: prune.global_unstructured(3, prune.L1Unstructured),
        lambda: prune.global_unstructured([], prune.L1Unstructured, []),
        lambda: prune.global_unstructured([(net, "weight")], prune.LnStructured, amount=1, n=2),
    ]
    out = [error_of(call).partition(" <class")[0] for call in calls]
    out.append([list(net.state_dict()), len(net._forward_pre_hooks), prune.is_pruned(net)])
    prune.identity(net, "weight")
    return [*out, error_of(lambda: Unnamed.apply(net, "weight", 1))]
