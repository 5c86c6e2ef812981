"""Optimizers that need a closure or matrices."""

TOLERANCE = 2e-3  # L-BFGS divides by small differences, Muon computes in bfloat16


def _losses(torch, name, steps=3, **options):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Tanh(), torch.nn.Linear(5, 1))
    x = torch.randn(20, 6)
    y = x.sin().sum(1, keepdim=True)
    parameters = [p for p in net.parameters() if name != "Muon" or p.dim() == 2]
    optimizer = getattr(torch.optim, name)(parameters, **options)

    def closure():
        optimizer.zero_grad()
        loss = ((net(x) - y) ** 2).mean()
        loss.backward()
        return loss

    losses = [optimizer.step(closure) for _ in range(steps)]
    state = sorted(k for k in optimizer.state[parameters[0]] if k != "al")
    return [losses, state, sorted(optimizer.param_groups[0])]


def case_lbfgs(torch):
    return [
        _losses(torch, "LBFGS", 2),
        _losses(torch, "LBFGS", 2, lr=0.5, history_size=3, max_iter=7),
        _losses(torch, "LBFGS", 2, line_search_fn="strong_wolfe", max_iter=8),
    ]


def case_adafactor(torch):
    return [_losses(torch, "Adafactor"), _losses(torch, "Adafactor", lr=0.1, weight_decay=0.1)]


def case_muon(torch):
    options = {"lr": 0.02, "adjust_lr_fn": "match_rms_adamw", "nesterov": False}
    return [_losses(torch, "Muon"), _losses(torch, "Muon", **options)]
