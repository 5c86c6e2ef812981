"""Helpers that programs take from ``torch.distributions.utils``."""

import math

euler_constant = 0.57721566490153286060
log_two_pi = math.log(2 * math.pi)

__all__ = [
    *("broadcast_all", "clamp_probs", "lazy_property", "logits_to_probs", "probs_to_logits"),
]
