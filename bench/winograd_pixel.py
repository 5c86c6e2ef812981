"""What one large pixel costs the outputs near it that do not read it, with and without Winograd.

For each layer shape: images of normal numbers in which one pixel of one channel is `big`, weights
normal with deviation 1/sqrt(9*channels). Prints, for the outputs whose windows do not cover that
pixel, the largest error divided by `big`, and for scale the largest error without the pixel; for
the output, and for the gradient of the input where one element of the output's gradient is large.
A table in Markdown.
"""

from __future__ import annotations

import ballast as torch
import ballast.nn.functional as F
from ballast.backends import winograd

LAYERS = ((16, 16, 32), (64, 64, 14), (64, 64, 56))
BIG = 1e4


def errors(channels: int, out: int, size: int, enabled: bool) -> tuple[float, float, float]:
    """Largest errors near the pixel: of the output and the input's gradient, and without it."""
    torch.manual_seed(0)
    x, w = torch.randn(2, channels, size, size), torch.randn(out, channels, 3, 3)
    w /= (9 * channels) ** 0.5
    g = torch.randn(2, out, size, size)
    found = []
    with winograd.flags(enabled=enabled):
        for big in (1.0, BIG):
            x[0, 0, 5, 4] = g[0, 0, 5, 4] = big
            for of_input in (False, True):
                wide = [t.double().requires_grad_() for t in (x, w)]
                narrow = [t.clone().requires_grad_() for t in (x, w)]
                y, z = (F.conv2d(*t, padding=1) for t in (narrow, wide))
                if of_input:
                    y.backward(g)
                    z.backward(g.double())
                    y, z = narrow[0].grad, wide[0].grad
                error = (y.detach().double() - z.detach()).abs()
                error[0, :, 4:7, 3:6] = 0
                found.append(error.max().item() / big)
    return found[2], found[3], found[0]


def main() -> None:
    """Print the table."""
    print("| layer | y | y, direct | dx | dx, direct | y without the pixel |")
    print("|---|---|---|---|---|---|")
    for channels, out, size in LAYERS:
        fast, direct = (errors(channels, out, size, on) for on in (True, False))
        cells = (fast[0], direct[0], fast[1], direct[1], fast[2])
        print(
            f"| {channels}x{size}x{size} to {out} | " + " | ".join(f"{c:.1e}" for c in cells) + " |"
        )


if __name__ == "__main__":
    main()
