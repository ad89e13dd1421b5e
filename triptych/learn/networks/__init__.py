"""PyTorch networks: heads on sequences, intermediate fusion, fine-tuned text."""
