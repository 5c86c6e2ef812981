import common
import numpy as np
import torch
from skorch import NeuralNetClassifier

x, y = common.images()
torch.manual_seed(0)
net = NeuralNetClassifier(
    common.network(),
    criterion=torch.nn.CrossEntropyLoss,
    max_epochs=4,
    lr=0.05,
    batch_size=16,
    iterator_train__shuffle=True,
    optimizer__momentum=0.9,
    verbose=0,
)
net.fit(x.numpy(), y.numpy())
for row in net.history:
    common.show(row["train_loss"], row["valid_loss"], row["valid_acc"])
common.show(net.predict_proba(x.numpy())[:3])
common.show(np.mean(net.predict(x.numpy()) == y.numpy()))
