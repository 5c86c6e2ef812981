"""Modules below ``torch.nn`` that packages import only to look at."""
