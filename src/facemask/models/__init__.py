"""Networks, pretrained weights, and the Lightning module."""
