"""CIFAR-10.2 on a laptop: build the data set, train baselines on it, measure generalization."""

import os

# oneDNN's kernels. TensorFlow leaves them off on processors without AVX512-VNNI, where convolutions then take 2.5 times
# as long. It reads the variable when it is imported; so it is set here, before any room can import TensorFlow.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
