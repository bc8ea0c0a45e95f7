"""Import what a module's own imports put off. A layer has this as `_deferred_imports`; `deferral.py` writes the calls.

Only what every start has imported before is used here.
"""

import sys
from importlib import import_module
from typing import Any


class Deferred:
    """The imports of one module that were put off, and the modules of a package that nobody asked for yet."""

    def __init__(
        self,
        namespace: dict[str, Any],
        late: tuple[tuple[str, str, str | None], ...],
        submodules: tuple[str, ...],
    ) -> None:
        """Take the module's names, to which `late` will be added: each with its module and its attribute of that."""
        self._namespace = namespace
        self._late = {name: (module, attribute) for name, module, attribute in late}
        self._submodules = frozenset(submodules)
        for name in self._late:
            # Interned, as the names in code are: they are looked up by identity first.
            namespace[sys.intern(f"__late_{name}__")] = True

    def __call__(self, name: str) -> Any:
        """Import a name into the module, unless somebody has bound it there meanwhile."""
        value = self._namespace.setdefault(name, _imported(*self._late[name]))
        self._namespace[f"__late_{name}__"] = False
        return value

    def getattr(self, name: str) -> Any:
        """What the module is asked for and lacks (PEP 562)."""
        if name in self._late:
            return self(name)
        own_name = self._namespace["__name__"]
        if name in self._submodules:
            try:
                return import_module(f"{own_name}.{name}")
            except ModuleNotFoundError as error:
                if error.name != f"{own_name}.{name}":
                    raise
        raise AttributeError(f"module {own_name!r} has no attribute {name!r}", name=name)

    def knows(self, name: str) -> bool:
        """Whether `getattr` has an answer, which a module with a `__getattr__` of its own asks first."""
        return name in self._late or name in self._submodules

    def dir(self) -> list[str]:
        """All names of the module, those to come included."""
        return sorted({*self._namespace, *self._late})


def _imported(module: str, attribute: str | None) -> Any:
    """Give what `from module import attribute` gives, or `import module as name` without an attribute."""
    if attribute is None:
        found = import_module(module)
        parent, _, last = module.rpartition(".")
        # A package may have bound something else under its module's name.
        return vars(sys.modules[parent]).get(last, found) if parent else found
    found = __import__(module, fromlist=(attribute,))
    try:
        return getattr(found, attribute)
    except AttributeError:
        if f"{module}.{attribute}" in sys.modules:  # it is being imported, and not bound yet
            return sys.modules[f"{module}.{attribute}"]
        raise ImportError(f"cannot import name {attribute!r} from {module!r}", name=module) from None
