import torch
import torch.nn as nn
import torch.nn.functional as F

results = {}


def error_of(function):
    try:
        function()
    except Exception as error:
        return [type(error).__name__, str(error).split("\n")[0]]
    return None


# Printing.
model = nn.Sequential(
    nn.Conv2d(1, 8, 3, padding=1, bias=False),
    nn.BatchNorm2d(8, momentum=None),
    nn.ReLU(inplace=True),
    nn.MaxPool2d(2),
    nn.Dropout(0.25),
    nn.Flatten(),
    nn.Linear(128, 10),
)
results["sequential"] = repr(model)
results["modules"] = repr(nn.ModuleDict({"a": nn.ModuleList([nn.Tanh(), nn.GELU()])}))
results["others"] = [
    repr(m)
    for m in [
        nn.LeakyReLU(0.2),
        nn.AdaptiveAvgPool2d((1, 1)),
        nn.AvgPool2d(3, stride=2, padding=1),
        nn.Softmax(dim=1),
        nn.Conv2d(4, 4, (3, 5), stride=2, dilation=2, groups=4),
        nn.CrossEntropyLoss(),
        nn.Softplus(),
        nn.Identity(),
        nn.ELU(),
        nn.Hardtanh(),
    ]
]
results["tensors"] = [
    repr(t)
    for t in [
        torch.arange(12).reshape(3, 4),
        torch.tensor([1.0, 1e-5, 1e5]),
        torch.tensor([[True, False]]),
        torch.zeros(2, 0),
        torch.tensor(3.5),
        torch.ones(3, requires_grad=True) * 2,
        nn.Parameter(torch.zeros(2)),
    ]
]

# Walking over a network.
results["named"] = [name for name, _ in model.named_modules()]
results["parameters"] = [[n, list(p.shape)] for n, p in model.named_parameters()]
results["buffers"] = [n for n, _ in model.named_buffers()]

# Errors.
results["errors"] = [
    error_of(lambda: nn.BatchNorm1d(3)(torch.zeros(1, 3))),
    error_of(lambda: nn.BatchNorm1d(3)(torch.zeros(2, 3, 4, 5))),
    error_of(lambda: nn.BatchNorm2d(3)(torch.zeros(2, 3))),
    error_of(lambda: nn.Linear(3, 4)(torch.zeros(2, 2))),
    error_of(lambda: torch.zeros(2) + torch.zeros(3)),
    error_of(lambda: torch.zeros(2, 3).backward()),
    error_of(lambda: nn.Linear(2, 2).load_state_dict({})),
    error_of(lambda: nn.Linear(2, 2).nothing),
    error_of(lambda: torch.zeros(2, 3).view(4)),
    error_of(lambda: torch.ones(2, requires_grad=True).numpy()),
    error_of(lambda: F.softmax(torch.zeros(2), dim=1)),
    error_of(lambda: torch.cat([torch.zeros(2, 2), torch.zeros(2, 3)])),
    error_of(lambda: torch.optim.SGD([], lr=0.1)),
    error_of(lambda: torch.optim.SGD([torch.zeros(1)], lr=-1.0)),
    error_of(lambda: nn.Dropout(1.5)),
    error_of(lambda: torch.zeros(3)[4]),
]

# The same numbers for the same seed.
torch.manual_seed(3)
results["random"] = [
    torch.rand(4).tolist(),
    torch.randn(20).tolist(),
    torch.randperm(10).tolist(),
    torch.randint(5, (4,)).tolist(),
    F.dropout(torch.ones(20), 0.3).tolist(),
    nn.init.kaiming_normal_(torch.empty(4, 4), nonlinearity="relu").flatten().tolist(),
    nn.init.xavier_uniform_(torch.empty(2, 3)).flatten().tolist(),
    torch.normal(0.0, 2.0, (3,)).tolist(),
]
loader = torch.utils.data.DataLoader(range(10), batch_size=4, shuffle=True)
results["epochs"] = [[b.tolist() for b in loader] for _ in range(2)]

# Hooks, freezing, in-place updates.
seen = []
layer = nn.Linear(2, 2)
handle = layer.register_forward_hook(lambda m, args, out: seen.append(list(out.shape)))
layer(torch.zeros(3, 2))
handle.remove()
layer(torch.zeros(3, 2))
results["hooks"] = seen
layer.weight.requires_grad = False
layer(torch.ones(1, 2)).sum().backward()
results["frozen"] = [layer.weight.grad is None, layer.bias.grad.tolist()]
with torch.no_grad():
    layer.bias -= layer.bias
    layer.weight.copy_(torch.eye(2))
results["assigned"] = [layer.bias.tolist(), layer(torch.tensor([[1.0, 2.0]])).tolist()]

# Schedules.
optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
results["schedules"] = []
for make in [
    lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=5),
    lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [2, 4], gamma=0.1),
    lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.9),
    lambda o: torch.optim.lr_scheduler.LinearLR(o, total_iters=4),
    lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda e: 1 / (1 + e)),
]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = make(optimizer)
    rates = []
    for _ in range(8):
        optimizer.step()
        schedule.step()
        rates.append(schedule.get_last_lr()[0])
    results["schedules"].append(rates)
