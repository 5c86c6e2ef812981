"""Programs name the scaler by the module that PyTorch has for it."""
