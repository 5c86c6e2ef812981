"""timm asks whether a parameter is a piece of one that several processes share: none is."""


class DTensor:
    """No tensor is an instance."""
