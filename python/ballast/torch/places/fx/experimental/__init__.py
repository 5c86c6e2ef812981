"""Modules below ``torch.fx`` that packages ask whether PyTorch's compiler traces them."""
