import glob

import common
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

model = common.network()
with SummaryWriter("runs") as writer:
    for step in range(10):
        writer.add_scalar("loss", 1 / (step + 1), step)
    writer.add_histogram("weight", model[0].weight, 0)
    writer.add_image("image", torch.rand(3, 8, 8), 0)
    writer.add_images("images", torch.rand(4, 3, 8, 8), 0)
    writer.add_text("text", "words", 0)
    writer.add_graph(model, torch.randn(1, 3, 32, 32))
    writer.add_hparams({"lr": 0.1, "kind": "a"}, {"accuracy": 0.5}, run_name=".")
events = EventAccumulator("runs", size_guidance={"scalars": 0, "images": 0})
events.Reload()
for event in events.Scalars("loss"):
    common.show(event.value)
for name in ("image", "images"):
    common.show(events.Images(name)[0].width, events.Images(name)[0].height)
print(len(glob.glob("runs/*")), sorted(events.Tags()["tensors"]))
