import common
from einops import einsum, rearrange, reduce, repeat
from einops.layers.torch import Rearrange, Reduce
from torch import nn

x, y = common.images()
model = nn.Sequential(
    Rearrange("b c (h p) (w q) -> b (h w) (p q c)", p=8, q=8),
    nn.Linear(192, 16),
    nn.ReLU(),
    Reduce("b n d -> b d", "mean"),
    nn.BatchNorm1d(16),
    nn.Linear(16, 4),
)
common.train(model, x, y)
common.show(rearrange(x, "b c h w -> c (b h w)").mean(1), reduce(x, "b c h w -> c", "max"))
common.show(repeat(x[0, 0, 0, :3], "w -> (w k)", k=2))
common.show(einsum(x[:2], x[:2], "a c h w, b c h w -> a b"))
