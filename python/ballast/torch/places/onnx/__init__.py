"""Parts of PyTorch's exporter that packages extend; Ballast's exporter has its own operators."""
