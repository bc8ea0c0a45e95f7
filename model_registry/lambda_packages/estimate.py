"""How much of Lambda's limit the packages of a model will take, known before a version is written."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from model_registry.lambda_packages.docstrings import undocumented
from model_registry.lambda_packages.install import pip_install
from model_registry.lambda_packages.installed import owners
from model_registry.lambda_packages.linking import supplements
from model_registry.lambda_packages.pruning import kept
from model_registry.lambda_packages.shared_objects import is_shared_object, trimmed
from model_registry.lambda_packages.size import LIMIT_UNZIPPED, PackageSize, lines, too_large
from model_registry.lambda_packages.spec import LayerSpec
from model_registry.lambda_packages.wheels import explain
from model_registry.pace import Progress, megabytes
from model_registry.shipping import reserved_bytes

# Bytecode against source, measured with Python 3.12: from 1.1 (fontTools, onnxruntime) to 1.2 (matplotlib, xgboost),
# and without docstrings from 0.57 (scikit-learn) to 0.74 (numpy).
_BYTECODE, _WITHOUT_DOCSTRINGS = 1.15, 0.65


@dataclass(frozen=True)
class LayerSize:
    """What a layer will take, unzipped. A few percent are uncertain: modules are not compiled yet."""

    packages: tuple[PackageSize, ...]  # largest first
    limit: int  # bytes that Lambda leaves for the packages of a model

    @property
    def unzipped_bytes(self) -> int:
        """All packages together."""
        return sum(size.unzipped_bytes for size in self.packages)

    @property
    def over(self) -> int:
        """By how many bytes the limit is exceeded; 0 where it is not."""
        return max(0, self.unzipped_bytes - self.limit)

    def __str__(self) -> str:
        if self.over:
            return too_large(self.packages, self.limit)
        used = f"about {megabytes(self.unzipped_bytes)} of the {megabytes(self.limit)} that Lambda leaves for them"
        return "\n".join([f"the packages will take {used}; the largest are", *lines(self.packages[:3])])


def layer_size(
    packages: Mapping[str, str],
    python: str,
    architecture: str = "x86_64",
    *,
    wheels: Sequence[Path] = (),
    reserve: int | None = None,
    progress: Progress = lambda _line: None,
) -> LayerSize:
    """Resolve exact pins for Lambda's platform and add up what the layer will have of their wheels.

    The wheels are installed into a temporary folder, from uv's cache where it has them, so the deployment does not
    download them again. Whether their shared objects will load in Lambda is checked on the way.

    Args:
        packages: Exact version of each distribution by name, complete: `shipping.layer_packages` adds the handler's.
        python: Minor version of the runtime, such as `3.12`.
        architecture: `x86_64` or `arm64`.
        wheels: Files of packages that are on no index.
        reserve: Bytes of the limit that the function's own code takes, by default what it takes now.
        progress: Gets a line for each large download.

    Raises:
        LayerError: the packages cannot be installed for Lambda (the message says which, and what would work), or
            would not load there.
        UvNotFoundError: uv is not installed.

    """
    if reserve is None:
        reserve = reserved_bytes()
    spec = LayerSpec(python, architecture, tuple(packages.items()), tuple(wheels))
    with tempfile.TemporaryDirectory(prefix="layer-size-") as folder:
        tree = Path(folder, "tree")
        outcome = pip_install(spec.requirements, tree, spec.runtime, architecture, progress=progress)
        if not outcome.ok:
            raise explain(spec.pins, spec.runtime, architecture, outcome)
        owner = owners(tree, spec.packages)
        files = {name: tree / name for name in kept(tree, owner)}
        supplements(files, spec.runtime, owner)
        bare = tuple(f"{folder}/" for folder in undocumented(spec.packages))
        totals = dict.fromkeys(dict(spec.packages), 0.0)
        for name, path in files.items():
            size: float = len(trimmed(path.read_bytes())) if is_shared_object(name) else path.stat().st_size
            if name.endswith(".py"):
                size *= _WITHOUT_DOCSTRINGS if name.startswith(bare) else _BYTECODE
            totals[owner[name]] += size
    found = [PackageSize(name, version, round(totals[name])) for name, version in spec.packages]
    return LayerSize(tuple(sorted(found, key=lambda size: -size.unzipped_bytes)), LIMIT_UNZIPPED - reserve)
