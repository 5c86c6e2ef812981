import common
import lightning as L
import torch
from torch.utils.data import DataLoader, TensorDataset


class Classifier(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.save_hyperparameters()
        self.net = common.network()

    def training_step(self, batch, index):
        x, y = batch
        loss = torch.nn.functional.cross_entropy(self.net(x), y)
        self.log("loss", loss)
        common.show(loss)
        return loss

    def validation_step(self, batch, index):
        x, y = batch
        self.log("accuracy", (self.net(x).argmax(1) == y).float().mean())

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), lr=1e-2)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1)]


L.seed_everything(3)
x, y = common.images()
loader = DataLoader(TensorDataset(x, y), 8, shuffle=True)
trainer = L.Trainer(
    max_epochs=2,
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    accelerator="cpu",
    enable_model_summary=True,
)
model = Classifier()
trainer.fit(model, loader, DataLoader(TensorDataset(x, y), 32))
common.show(trainer.callback_metrics["accuracy"])
trainer.save_checkpoint("model.ckpt")
again = Classifier.load_from_checkpoint("model.ckpt", weights_only=False)
common.show(again.net[0].weight.sum())
common.show(
    trainer.validate(model, DataLoader(TensorDataset(x, y), 16), verbose=False)[0]["accuracy"]
)
