import common
import torch
from tensorboardX import SummaryWriter

model = common.network()
with SummaryWriter("runs") as writer:
    writer.add_scalar("loss", torch.tensor(0.5), 0)
    writer.add_scalars("losses", {"a": 1.0, "b": 2.0}, 0)
    writer.add_histogram("weight", model[0].weight, 0)
    writer.add_image("image", torch.rand(3, 8, 8), 0)
    writer.add_text("text", "words", 0)
    writer.add_embedding(torch.arange(6.0).view(3, 2), metadata=["a", "b", "c"])
with open(next(iter(__import__("glob").glob("runs/*/*/tensors.tsv")))) as file:
    print(file.read())
