"""A stand-in of h5py, which the project does not need: it opens what a test holds in memory."""

from types import ModuleType


def h5py_of(held):
    """The module; ``held`` has the data sets of each file by its name."""

    class File(dict):
        def __init__(self, name):
            super().__init__(held[name])

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    module = ModuleType("h5py")
    module.File = File
    return module
