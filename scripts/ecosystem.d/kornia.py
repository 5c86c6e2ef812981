import common
import kornia
import torch

x, _ = common.images(4)
x = x.sigmoid()
common.show(kornia.filters.gaussian_blur2d(x, (5, 5), (1.5, 1.5)).std((1, 2, 3)))
common.show(kornia.filters.sobel(x).mean((1, 2, 3)), kornia.filters.median_blur(x, (3, 3)).mean())
common.show(kornia.color.rgb_to_hsv(x).mean((0, 2, 3)), kornia.color.rgb_to_lab(x).mean((0, 2, 3)))
common.show(kornia.geometry.rotate(x, torch.tensor([10.0, 20.0, 30.0, 40.0])).mean((1, 2, 3)))
common.show(kornia.geometry.resize(x, (20, 24)).mean((1, 2, 3)))
common.show(kornia.losses.ssim_loss(x[:2], x[2:], 5), kornia.enhance.equalize(x).mean())
torch.manual_seed(0)
augment = kornia.augmentation.AugmentationSequential(
    kornia.augmentation.RandomHorizontalFlip(p=0.5),
    kornia.augmentation.ColorJitter(0.1, 0.1, 0.1, 0.1, p=1.0),
    kornia.augmentation.RandomAffine(15.0, p=1.0),
)
common.show(augment(x).mean((1, 2, 3)))
