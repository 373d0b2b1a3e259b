"""One training in PyTorch's usual style: a process that trains one network, prints its loss and records nothing.

`python benchmarks/torch_job.py digits 0.01 3`: digits, 64-128-64-10, Adam, 20 epochs. `... sine 0.01 3`: 1-32-1, full batch,
1,000 steps.
"""

from __future__ import annotations

import sys

import torch


def digits(lr: float) -> float:
    """Shuffled batches of 64, validation after every epoch."""
    from sklearn.datasets import load_digits

    found = load_digits()
    x = torch.tensor(found.data / 16, dtype=torch.float32)
    y = torch.tensor(found.target)
    order = torch.randperm(len(x))
    train, val = order[:1078], order[1078:1437]
    net = torch.nn.Sequential(
        torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10)
    )
    optimizer, loss_of = torch.optim.Adam(net.parameters(), lr), torch.nn.CrossEntropyLoss()
    for _ in range(20):
        shuffled = train[torch.randperm(len(train))]
        for rows in shuffled.split(64):
            optimizer.zero_grad()
            loss_of(net(x[rows]), y[rows]).backward()
            optimizer.step()
        with torch.no_grad():
            measured = loss_of(net(x[val]), y[val]).item()
    return measured


def sine(lr: float) -> float:
    """One batch of 64 points, validation after every tenth step."""
    x = torch.rand(164, 1)
    y = torch.sin(2 * torch.pi * x) + 0.2 * torch.randn(164, 1)
    net = torch.nn.Sequential(torch.nn.Linear(1, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1))
    optimizer, loss_of = torch.optim.Adam(net.parameters(), lr), torch.nn.MSELoss()
    for step in range(1000):
        optimizer.zero_grad()
        loss_of(net(x[:64]), y[:64]).backward()
        optimizer.step()
        if step % 10 == 9:
            with torch.no_grad():
                measured = loss_of(net(x[64:]), y[64:]).item()
    return measured


if __name__ == "__main__":
    torch.manual_seed(int(sys.argv[3]))
    print({"digits": digits, "sine": sine}[sys.argv[1]](float(sys.argv[2])))
