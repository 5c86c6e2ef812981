import common
from torchsummary import summary

summary(common.network(), (3, 32, 32), device="cpu")
