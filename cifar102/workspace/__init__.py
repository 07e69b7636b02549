"""The folder of one run, and how its files are written: whole or not at all, and read so that a bad one is named.

Read in this order: folders (which file stands where), files (tables, JSON, locks, atomic writes), arrays (.npy, .npz
and CIFAR's python batches, without numpy's own unpickler), append_log (what people said, never rewritten), ownership
(which folders are ours to write to), wording (durations and near names in messages).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "folders": ["REPOSITORY", "Workspace", "read_summary", "update_summary"],
        "files": ["read_json", "read_table", "write_array", "write_json", "write_table"],
        "arrays": ["read_npy", "read_npz"],
    },
)
