"""Numbers that are drawn one by one, and the generator's state, as PyTorch lays it out."""


def _digest(torch, state):
    return state.double().dot(torch.arange(state.numel()).double())


def case_states(torch):
    out = []
    for draws in (0, 1, 5, 623, 624, 625, 1000):
        torch.manual_seed(2**40 + 5)
        torch.rand(draws)
        out.append(_digest(torch, torch.get_rng_state()))
        torch.randn(1)  # one value is kept
        state = torch.get_rng_state()
        out += [len(state), _digest(torch, state)]
        following = torch.randn(3)
        torch.set_rng_state(state)
        out.append(torch.equal(following, torch.randn(3)))
    return out


def case_fills(torch):
    fills = {
        "cauchy_": (),
        "geometric_": (0.3,),
        "log_normal_": (),
        "exponential_": (),
    }
    out = {}
    for name, arguments in fills.items():
        for count in (3, 40):
            torch.manual_seed(3)
            out[f"{name} {count}"] = getattr(torch.empty(count), name)(*arguments)
    torch.manual_seed(3)
    out["poisson"] = torch.poisson(torch.tensor([0.5, 3.0, 20.0, 100.0] * 3))
    torch.manual_seed(3)
    out["normal"] = torch.normal(torch.arange(4.0), torch.tensor([1.0, 2.0, 3.0, 4.0]))
    out["mean only"] = torch.normal(torch.arange(4.0), 2.0)
    out["std only"] = torch.normal(1.0, torch.arange(4.0))
    torch.manual_seed(3)
    out["gumbel"] = torch.nn.functional.gumbel_softmax(torch.arange(6.0).view(2, 3), hard=True)
    return out
