"""The networks: built, trained, sampled, scored and kept. The only package that imports TensorFlow."""

import os

# Before TensorFlow is imported: take a GPU's memory as it is needed, for two workers may share the card.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
# Cards count as nvidia-smi counts them, and not by their speed.
os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
