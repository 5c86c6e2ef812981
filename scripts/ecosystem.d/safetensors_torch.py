import common
import torch
from safetensors import safe_open
from safetensors.torch import load, load_file, load_model, save, save_file, save_model

model = common.network()
save_file(model.state_dict(), "model.safetensors", metadata={"kind": "test"})
for name, value in load_file("model.safetensors").items():
    print(name)
    common.show(value.double().sum())
with safe_open("model.safetensors", framework="pt") as file:
    print(file.metadata())
    common.show(file.get_tensor("0.weight").sum(), file.get_slice("0.weight")[:2].sum())
save_model(model, "whole.safetensors")
with torch.no_grad():
    model[0].weight.zero_()
load_model(model, "whole.safetensors")
common.show(model[0].weight.sum())
common.show(load(save({"half": torch.arange(5).half(), "b": torch.arange(3).bfloat16()}))["half"])
