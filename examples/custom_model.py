"""CustomModel: fully connected, 64-128-10, batch normalization after both layers."""

import training

import ballast as torch
import ballast.nn as nn


class CustomModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 128)
        self.bn1 = nn.BatchNorm1d(128)
        self.fc2 = nn.Linear(128, 10)
        self.bn2 = nn.BatchNorm1d(10)

    def forward(self, x):
        x = torch.relu(self.bn1(self.fc1(x)))
        x = self.bn2(self.fc2(x))
        return x


if __name__ == "__main__":
    torch.manual_seed(0)
    model = CustomModel()
    training.train(model, training.pixels())
    torch.save(model.state_dict(), "custom_model.safetensors")
