"""What can go wrong while a layer is built.

    LayerError                       root: catch this one
    ├── SpecError                    the list of packages is empty, malformed or contradicts itself
    ├── UnsupportedPythonError       Lambda has no runtime for this Python
    ├── UnsupportedArchitectureError Lambda has no such architecture
    ├── InstallError                 uv failed for a reason that none of the next four describes
    │   ├── IndexUnreachableError    the package index did not answer
    │   ├── PackageNotFoundError     the index has no such package or version
    │   ├── WheelNotFoundError       the version exists, but not as a wheel for Lambda's platform
    │   └── WheelChangedError        the wheel is not the one that the model was published with
    ├── CompileError                 the Python that compiles the layer ended abnormally
    ├── LinkingError                 a shared object needs what neither the layer nor Lambda has
    ├── LayerImportError             a package cannot be imported from the layer
    ├── LayerAnswerError             the model does not load from the layer, or answers differently than recorded
    └── LayerTooLargeError           function and layers exceed Lambda's limit

Each message states the fact, the value and the remedy, and is fit to be shown to a user as it is.
"""


class LayerError(Exception):
    """The layer cannot be built."""


class SpecError(LayerError):
    """The packages of a layer are empty, malformed or contradict each other."""


class UnsupportedPythonError(LayerError):
    """Lambda has no runtime for this Python."""


class UnsupportedArchitectureError(LayerError):
    """Lambda has no such architecture."""


class InstallError(LayerError):
    """The packages cannot be installed for Lambda's platform."""


class IndexUnreachableError(InstallError):
    """The package index did not answer."""


class PackageNotFoundError(InstallError):
    """The package index has no such package or version."""


class WheelNotFoundError(InstallError):
    """A version has no wheel for Lambda's platform."""


class WheelChangedError(InstallError):
    """A wheel has other bytes than those that the model was published with."""


class CompileError(LayerError):
    """The interpreter that compiles the layer's modules ended abnormally."""


class LinkingError(LayerError):
    """A shared object needs a library, or a version of one, that neither the layer nor Lambda's image has."""


class LayerAnswerError(LayerError):
    """The model does not answer its golden examples in a process that has the layer alone."""


class LayerImportError(LayerError):
    """A package cannot be imported from the layer."""


class LayerTooLargeError(LayerError):
    """Function and layers together exceed Lambda's limit."""
