import common
import torch
import transformers as t

kinds = {
    t.ResNetForImageClassification: t.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", num_labels=4
    ),
    t.MobileNetV2ForImageClassification: t.MobileNetV2Config(
        depth_multiplier=0.35, num_labels=4, classifier_dropout_prob=0.0
    ),
    t.RegNetForImageClassification: t.RegNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], groups_width=8, num_labels=4
    ),
}
x, y = common.images()
for kind, config in kinds.items():
    torch.manual_seed(0)
    model = kind(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for i in range(0, 64, 16):
        out = model(pixel_values=x[i : i + 16], labels=y[i : i + 16])
        out.loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        common.show(out.loss)
    model.save_pretrained("saved")
    again = kind.from_pretrained("saved").eval()
    common.show(again(x[:2]).logits)
