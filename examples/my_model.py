"""MyModel: one convolution, batch normalization, the mean over all pixels, a classifier."""

import training

import ballast as torch
import ballast.nn as nn
import ballast.nn.functional as F


class MyModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3)
        self.bn1 = nn.BatchNorm2d(64)
        self.fc1 = nn.Linear(64, 10)
        self.bn2 = nn.BatchNorm1d(10)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        # Without this, fc1 would be given (N, 64, H, W) and raise PyTorch's shape error.
        x = torch.flatten(F.adaptive_avg_pool2d(x, 1), 1)
        x = self.bn2(self.fc1(x))
        return x


if __name__ == "__main__":
    torch.manual_seed(0)
    model = MyModel()
    training.train(model, training.images(channels=3))
    torch.save(model.state_dict(), "my_model.safetensors")
