"""PyTorch's quantization lives below; torchvision's quantizable models import from there."""
