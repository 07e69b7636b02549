"""Running the notebooks: which steps there are, which of them are stale, and one report of them all.

Read in this order: steps (what each notebook takes and leaves, the profiles), notebooks (what a notebook declares and
which rooms it stands on), plans (what a command line asks for), stamps (what a finished step was made from), runner
(doit drives the plan), execution and kernel (papermill runs one notebook), report (report.html).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "steps": ["load_profile", "profile_names"],
        "notebooks": ["declared_parameters"],
        "plans": ["plan"],
        "report": ["build_report"],
    },
)
