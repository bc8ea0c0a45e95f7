"""The digests of the wheels that a version's packages come as, for its manifest."""

import sysconfig
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from model_registry.lambda_packages.digests import Digests, digests_of
from model_registry.lambda_packages.pinned import this_architecture
from model_registry.lambda_packages.platform import ARCHITECTURES, RUNTIMES
from model_registry.shipping import layer_packages
from model_registry.stored_wheels import distribution_of
from model_runtime.errors import EnvironmentBuildError
from model_runtime.manifest import Environment, Manifest


def with_hashes(draft: Manifest, wheels: Sequence[Path]) -> Manifest:
    """The manifest with the digests of what an index has of each format's packages, as far as that is known.

    They are asked for Lambda's two architectures, and for this machine where Lambda's wheels do not run. A platform
    for which a package has no wheel is left out, and so are all where no index answers. `wheels` are files that the
    version has itself, whose digests the manifest has anyway.
    """
    stored = {distribution_of(path.name) for path in wheels}
    formats = {
        name: msgspec.structs.replace(form, environment=_with_hashes(form.environment, stored))
        for name, form in draft.formats.items()
    }
    return msgspec.structs.replace(draft, environment=_with_hashes(draft.environment, stored), formats=formats)


def _with_hashes(environment: Environment, stored: Iterable[str]) -> Environment:
    packages = {name: version for name, version in environment.packages.items() if name not in stored}
    wanted = list(ARCHITECTURES) if environment.python in RUNTIMES else []
    here = None if this_architecture(environment.python) else sysconfig.get_platform()

    def found(key: str) -> Digests:
        try:
            if key == here:  # the proof takes the handler's packages for this machine too
                return digests_of(layer_packages(packages), environment.python, None)
            return digests_of(packages, environment.python, key)
        except EnvironmentBuildError:
            return {}

    keys = [*wanted, *([here] if here else [])]
    with ThreadPoolExecutor(len(keys)) as pool:
        answers = {key: each for key, each in zip(keys, pool.map(found, keys), strict=True) if each}
    return msgspec.structs.replace(
        environment,
        hashes={key: {name: sha256 for name, (sha256, _) in each.items()} for key, each in answers.items()},
        sources={name: source for each in answers.values() for name, (_, source) in each.items()},
    )


def why_without(draft: Manifest) -> tuple[str, ...]:
    """What a publisher is told of a version without digests; nothing where there are some."""
    if draft.environment.hashes:
        return ()
    note = (
        "the digests of the packages' wheels are not in the manifest, as no index that answers has all of them: a "
        "layer takes what an index has when it is built; publish again where one does"
    )
    return (note,)
