"""Net: fully connected, 10-20-10, on the first ten principal components of the digits."""

import training

import ballast as torch
import ballast.nn as nn


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


if __name__ == "__main__":
    torch.manual_seed(0)
    model = Net()
    training.train(model, training.principal_components())
    torch.save(model.state_dict(), "net.safetensors")
