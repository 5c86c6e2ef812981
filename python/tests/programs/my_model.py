import torch
from torch import nn


class MyModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, kernel_size=3)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.fc1 = nn.Linear(64, 10)
        self.bn2 = nn.BatchNorm1d(10)

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.fc1(x)
        return self.bn2(x)


class Pooled(MyModel):
    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        x = nn.functional.adaptive_avg_pool2d(x, 1)
        x = torch.flatten(x, 1)
        return self.bn2(self.fc1(x))


torch.manual_seed(2)
model = Pooled()
results = {"text": repr(model), "keys": list(model.state_dict())}
results["weight"] = model.conv1.weight.detach().flatten()[:50].tolist()
images = torch.rand(8, 3, 8, 8)
labels = torch.tensor([0, 1, 2, 3, 4, 5, 6, 7])
try:
    MyModel()(images)
except RuntimeError as error:
    results["error"] = str(error)

optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
losses = []
for _ in range(5):
    optimizer.zero_grad()
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)(model(images), labels)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
results["losses"] = losses
results["grad"] = model.conv1.weight.grad.flatten()[:50].tolist()
results["running_var"] = model.bn1.running_var.tolist()
