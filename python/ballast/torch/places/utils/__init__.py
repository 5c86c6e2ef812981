"""Modules below ``torch.utils`` that packages import only to look at."""
