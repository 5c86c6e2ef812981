"""A training script with a loader, a schedule and evaluation; prints its loss curve as JSON."""

import argparse
import json

import torch
import torch.nn as nn
from digest import bits, nets
from torch.utils.data import DataLoader, TensorDataset, random_split


def run(name, steps):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(7)
    centres = torch.randn(10, 3, 8, 8)
    labels = torch.randint(0, 10, (300,))
    images = centres[labels] + 0.5 * torch.randn(300, 3, 8, 8)
    train_set, test_set = random_split(TensorDataset(images, labels), [256, 44])
    loader = DataLoader(train_set, batch_size=16, shuffle=True, drop_last=True)
    net = nets()[name]().to(device)
    initial = bits(net.state_dict().values())
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9, weight_decay=5e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    losses, seen = [], []
    net.train()
    while len(losses) < steps:
        for inputs, targets in loader:
            inputs, targets = inputs.to(device), targets.to(device)
            optimizer.zero_grad()
            loss = criterion(net(inputs), targets)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
            seen += targets.tolist()
            if len(losses) == steps:
                break
    net.eval()
    correct = 0
    with torch.no_grad():
        for inputs, targets in DataLoader(test_set, batch_size=20):
            correct += (net(inputs).argmax(1) == targets).sum().item()
    return {"initial": initial, "targets": seen, "losses": losses, "right": correct}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--net", default="resnet")
    parser.add_argument("--steps", type=int, default=30)
    args = parser.parse_args()
    print(json.dumps(run(args.net, args.steps)))


if __name__ == "__main__":
    main()
