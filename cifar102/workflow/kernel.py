"""The kernel a notebook runs in: that of this interpreter and no other, and gone when its run is gone."""

import os
import sys
import threading
import time

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

# IPython would put the current folder before the installed packages, whatever lies in it.
NOT_HERE = "--IPKernelApp.ignore_cwd=True"
# Run by the kernel before the first cell; leaves no name behind in the notebook.
WATCH = "--IPKernelApp.exec_lines=__import__('cifar102.workflow.kernel', fromlist=['x']).end_with_parent()"


class OwnKernelSpecs(KernelSpecManager):
    """Knows ipykernel in the running interpreter and no other kernel; it reads no folder and writes none.

    `kernel_dirs` is no setting, so that only a class of its own keeps the kernels of the user's Jupyter folders out,
    among which one named `python3` would be started in place of this interpreter.
    """

    def _kernel_dirs_default(self) -> list[str]:
        return []

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """The kernel of that name, started without looking for modules in the current folder (-P)."""
        spec = super().get_kernel_spec(kernel_name)
        spec.argv[1:1] = ["-P"]
        return spec


class OwnKernel(AsyncKernelManager):
    """Starts ipykernel in the running interpreter; a `python3` kernel of another environment is not seen."""

    def _kernel_spec_manager_default(self) -> KernelSpecManager:
        return OwnKernelSpecs(parent=self)


def end_with_parent() -> None:
    """End this kernel when the process that started it has ended, within a second.

    ipykernel does so only where an orphan is handed to process 1; below a session manager (systemd --user, the init of
    a container) it would go on writing into the workspace of a killed run. Windows tells ipykernel by itself.
    """
    parent = int(os.environ.get("JPY_PARENT_PID", 0))
    if sys.platform != "win32" and parent:
        threading.Thread(target=_wait_for_end_of, args=(parent,), daemon=True).start()


def _wait_for_end_of(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
