import torch
import torch.nn as nn
import torch.optim as optim


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(10, 20)
        self.bn1 = nn.BatchNorm1d(20)
        self.fc2 = nn.Linear(20, 10)

    def forward(self, x):
        x = self.fc1(x)
        x = self.bn1(x)
        x = torch.relu(x)
        x = self.fc2(x)
        return x


torch.manual_seed(0)
net = Net()
results = {"text": repr(net), "keys": list(net.state_dict())}
results["weight"] = net.fc1.weight.detach().flatten().tolist()
inputs = torch.randn(64, 10)
labels = torch.randint(0, 10, (64,))
criterion = nn.CrossEntropyLoss()
optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

losses = []
for _step in range(50):
    optimizer.zero_grad()
    outputs = net(inputs)
    loss = criterion(outputs, labels)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
results["losses"] = losses
results["running_mean"] = net.bn1.running_mean.tolist()
results["running_var"] = net.bn1.running_var.tolist()
results["batches"] = net.bn1.num_batches_tracked.item()

net.eval()
with torch.no_grad():
    outputs = net(inputs)
    results["evaluated"] = outputs.flatten().tolist()
    results["correct"] = (outputs.argmax(dim=1) == labels).sum().item()
