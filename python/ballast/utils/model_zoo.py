"""The older name of ``torch.hub``'s downloads."""

from ..hub import load_state_dict_from_url as load_url
from ._tqdm import tqdm

__all__ = ["load_url", "tqdm"]
