"""torchvision asks here whether code is compiled."""


def is_compile_supported(device_type: str) -> bool:
    """Whether the compiler works for the device: there is none."""
    return False
