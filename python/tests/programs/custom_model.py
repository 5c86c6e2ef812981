import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.optim import Adam
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, TensorDataset, random_split


class CustomModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer1 = nn.Linear(64, 128)
        self.bn1 = nn.BatchNorm1d(128)
        self.layer2 = nn.Linear(128, 10)
        self.bn2 = nn.BatchNorm1d(10)

    def forward(self, x):
        x = F.relu(self.bn1(self.layer1(x)))
        x = self.bn2(self.layer2(x))
        return x


torch.manual_seed(1)
model = CustomModel()
results = {"text": repr(model), "keys": list(model.state_dict())}
data = TensorDataset(torch.rand(100, 64), torch.arange(100) % 10)
training, held_out = random_split(data, [80, 20])
results["held_out"] = [y.item() for _, y in held_out]
loader = DataLoader(training, batch_size=16, shuffle=True)
optimizer = Adam(model.parameters(), lr=0.01, weight_decay=1e-4)
scheduler = StepLR(optimizer, step_size=2, gamma=0.5)

losses, order, rates = [], [], []
for _epoch in range(5):
    model.train()
    for x, y in loader:
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        order.extend(y.tolist())
    scheduler.step()
    rates.append(optimizer.param_groups[0]["lr"])
results["losses"] = losses
results["order"] = order
results["rates"] = rates

model.eval()
x, y = next(iter(DataLoader(held_out, batch_size=20)))
with torch.no_grad():
    results["evaluated"] = F.softmax(model(x), dim=1).flatten().tolist()
