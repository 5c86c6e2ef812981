import common
import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader, TensorDataset

x, y = common.images()
accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
model = common.network()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=20)
torch.manual_seed(0)
loader = DataLoader(TensorDataset(x, y), 8, shuffle=True)
model, optimizer, loader, scheduler = accelerator.prepare(model, optimizer, loader, scheduler)
for _ in range(2):
    for inputs, labels in loader:
        with accelerator.accumulate(model):
            loss = torch.nn.functional.cross_entropy(model(inputs), labels)
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
        common.show(loss)
accelerator.save_state("state")
accelerator.load_state("state")
common.show(accelerator.gather_for_metrics(model(x[:8])).sum())
