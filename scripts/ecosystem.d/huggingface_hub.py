import os

import common
import torch
from huggingface_hub import (
    PyTorchModelHubMixin,
    load_torch_model,
    save_torch_model,
    save_torch_state_dict,
    split_torch_state_dict_into_shards,
)


class Network(torch.nn.Module, PyTorchModelHubMixin):
    def __init__(self, classes: int = 4):
        super().__init__()
        self.net = common.network(classes=classes)

    def forward(self, x):
        return self.net(x)


x, y = common.images()
model = Network(classes=5)
common.train(model, x, y, 4)
model.save_pretrained("saved")
again = Network.from_pretrained("saved")
common.show(again.eval()(x[:2]))
shards = split_torch_state_dict_into_shards(model.state_dict(), max_shard_size="2KB")
print({k: sorted(v) for k, v in sorted(shards.filename_to_tensors.items())})
os.makedirs("folder")
os.makedirs("shards")
save_torch_model(model, "folder")
load_torch_model(again, "folder")
save_torch_state_dict(model.state_dict(), "shards", max_shard_size="2KB")
