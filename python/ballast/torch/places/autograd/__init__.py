"""Modules of ``torch.autograd`` that packages import only to look at."""
