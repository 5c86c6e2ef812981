import common
import torch
from ignite.engine import Events, create_supervised_evaluator, create_supervised_trainer
from ignite.metrics import Accuracy, Loss
from torch.utils.data import DataLoader, TensorDataset

x, y = common.images()
model = common.network()
loss = torch.nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
trainer = create_supervised_trainer(model, optimizer, loss)
evaluator = create_supervised_evaluator(model, {"accuracy": Accuracy(), "loss": Loss(loss)})
trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda e: common.show(e.state.output))


@trainer.on(Events.EPOCH_COMPLETED)
def evaluate(engine):
    evaluator.run(loader)
    common.show(evaluator.state.metrics["accuracy"], evaluator.state.metrics["loss"])


loader = DataLoader(TensorDataset(x, y), 8)
trainer.run(loader, max_epochs=2)
