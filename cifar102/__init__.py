"""CIFAR-10.2 on a laptop: build the data set, train baselines on it, measure generalization."""
