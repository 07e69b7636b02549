"""Models: the networks of this project, and the files they are kept in.

Read in this order: registry (`build` a network by its name), networks (each a function from inputs to logits), layers
(what Keras lacks), random_features and ridge (fitted in closed form), inspection (layers, operations and cost as
tables), files (what a model file may hold), addons (the one door to TensorFlow Addons).

A model file is opened by files (the one door), which takes it through architecture (what it describes), weights_file
(its arrays), graph_calls and graph_operations (its graph), operations and allowed_layers (the tables of what may be in
it) and rebuild (the network made anew by this project's own code).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "registry": ["build", "load_model", "num_parameters"],
        "inspection": ["layer_table", "parse_network", "stage_table", "training_cost_table"],
    },
)
