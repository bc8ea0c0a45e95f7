"""What the parts of the benchmark share: a local AWS with the guide's model, and each side ready to be run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks import guide
from benchmarks.alone import served
from benchmarks.cold import ARCHITECTURE, ColdStart, prepare
from handler.app import App
from infra.function_code import variables
from local.ministack import LocalAws
from model_registry import Registry, Release, Storage
from model_registry.environments import find_interpreter
from model_registry.lambda_packages.spec import LayerSpec
from model_runtime.errors import InterpreterNotFoundError
from model_runtime.manifest import FormatName, ProofKind
from training.train_iris import publish, train

BUCKET = "benchmark-models"
FORMATS: tuple[FormatName, ...] = ("joblib", "onnx")


@dataclass
class Bench:
    """One run. The local AWS is active: its variables are in the environment."""

    aws: LocalAws
    release: Release
    """The guide's forest."""
    formats: tuple[FormatName, ...]
    """The formats that are measured."""
    folder: Path
    say: Callable[[str], object]
    quick: bool = False
    _starts: dict[str, ColdStart] = field(default_factory=dict)
    _published: dict[str, Release] = field(default_factory=dict)

    @classmethod
    def on(cls, aws: LocalAws, folder: Path, say: Callable[[str], object], *, quick: bool = False) -> "Bench":
        """Publish the guide's forest on a local AWS without models; what is made on the way goes below `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        aws.client("s3").create_bucket(Bucket=BUCKET)
        with aws.activated():
            release = publish(_registry(), train(), "Random forest of the guide", formats=FORMATS)
        names = tuple(name for name in FORMATS if name in release.manifest.format_names)
        return cls(aws, release, tuple(name for name in names if _can_run(release, name, say)), folder, say, quick)

    @cached_property
    def estimator(self) -> Any:
        """The guide's forest of 100 trees, as it is published."""
        return train().estimator

    def publish(self, name: str, estimator: Any, X_example: Any, *, formats: Sequence[FormatName] = FORMATS) -> Release:
        """Publish another model beside the guide's; once, as several parts measure the same one under its name."""
        if name not in self._published:
            proof: ProofKind = "none" if self.quick else "full"
            self._published[name] = _registry().publish(
                estimator, name=name, X_example=X_example, formats=formats, proof=proof
            )
        return self._published[name]

    def app(self, model_format: FormatName, release: Release | None = None) -> App:
        """The handler in this process, its model loaded: the guide's, or another that was published."""
        return served(variables(BUCKET, release or self.release, model_format=model_format))

    def cold_start(self, model_format: FormatName) -> ColdStart:
        """Ours in a fresh process, from the real layer, which is unpacked once."""
        if model_format not in self._starts:
            folder = self.folder / f"ours-{model_format}"
            self._starts[model_format] = prepare(self.aws, folder, BUCKET, self.release, model_format=model_format)
        return self._starts[model_format]

    def guide_start(self) -> ColdStart:
        """The guide's function in a fresh process, with the layer that its reader makes of the model's packages."""
        opt = guide.unpack(self.folder / "guide-layer", self.model_packages)
        folder = self.folder / "guide-function"
        return guide.cold_start(folder, opt, self.cold_start("joblib"), self.aws, bucket=BUCKET, release=self.release)

    @property
    def model_packages(self) -> LayerSpec:
        """What the model needs to be unpickled."""
        environment = self.release.manifest.environment
        return LayerSpec(environment.python, ARCHITECTURE, tuple(environment.packages.items()))


def _can_run(release: Release, model_format: FormatName, say: Callable[[str], object]) -> bool:
    try:
        find_interpreter(release.manifest.model_format(model_format).environment.python)
    except InterpreterNotFoundError as error:
        say(f"the {model_format} format is not measured: {error}")
        return False
    return True


def _registry() -> Registry:
    return Registry(Storage.open(BUCKET), actor="benchmark")
