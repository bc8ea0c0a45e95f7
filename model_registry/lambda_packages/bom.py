"""Bills of materials, as CycloneDX 1.5 in JSON: the same layer, or version, gives the same bytes."""

import json
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from packaging.utils import canonicalize_name

from model_registry.lambda_packages.platform import ARCHITECTURES
from model_registry.lambda_packages.spec import LayerSpec, is_left_out
from model_registry.stored_wheels import package_of
from model_runtime.manifest import Environment, Manifest

MEDIA_TYPE = "application/vnd.cyclonedx+json; version=1.5"

_NAMESPACE = uuid.UUID("5c7f0d43-64a5-5d0c-9bd4-3f1e5b5e2b7a")
"""Made up once: a serial number is the UUID of a layer's key, or of all that a version's bill says, in it."""

_Document = dict[str, Any]


def bom(spec: LayerSpec) -> str:
    """The packages of a layer with their versions, package URLs and the SHA-256 of their wheels.

    A package that the model has itself as a wheel has no package URL, as no index has it. One that may come as several
    wheels, as those of the handler, has no digest.
    """
    components = []
    for name, version in spec.packages:
        hashes = [spec.stored[name]] if name in spec.stored else list(spec.hashes.get(name, ()))
        sha256 = hashes[0] if len(hashes) == 1 else None
        components.append(_library(f"{name}@{version}", name, version, sha256, indexed=name not in spec.stored))
    subject = {
        "type": "container",
        "bom-ref": "layer",
        "name": f"layer-{spec.key[:12]}",
        "description": f"Lambda layer for {spec.runtime.name} on {spec.architecture}",
    }
    depends = {"layer": [each["bom-ref"] for each in components]}
    return _written(subject, components, depends, number=spec.key)


def version_bom(manifest: Manifest) -> bytes:
    """The packages of each layer that a version may have: of each of its formats, on each architecture with wheels.

    The packages of the function's own code are not among them: they are those of the release that deploys. Nor is the
    version's number, which it gets later: the digest of its model says which one it is.
    """
    libraries: dict[str, _Document] = {}
    layers: list[_Document] = []
    depends: dict[str, list[str]] = {"model": []}
    stored = {package_of(wheel.file)[0]: wheel.sha256 for wheel in manifest.wheels}
    for form in manifest.format_names:
        environment = manifest.model_format(form).environment
        # An architecture for which a package has no wheel has no digests; where neither has, no index answered.
        for architecture in [one for one in ARCHITECTURES if one in environment.hashes] or ARCHITECTURES:
            layer = f"layer-{form}-{architecture}"
            found = _libraries(environment, architecture, stored)
            libraries |= found
            layers.append({"type": "container", "bom-ref": layer, "name": layer, "description": _of(environment)})
            depends["model"].append(layer)
            depends[layer] = list(found)
    subject = {
        "type": "machine-learning-model",
        "bom-ref": "model",
        "name": manifest.name,
        "description": manifest.estimator,
        "hashes": [{"alg": "SHA-256", "content": manifest.artifact.sha256}],
    }
    return _written(subject, [*layers, *(libraries[ref] for ref in sorted(libraries))], depends).encode()


def _libraries(environment: Environment, architecture: str, stored: Mapping[str, str]) -> dict[str, _Document]:
    """What a layer has of an environment, by references that tell apart wheels of the same version."""
    hashes = {canonicalize_name(name): sha256 for name, sha256 in environment.hashes.get(architecture, {}).items()}
    found = {}
    for name, version in sorted((canonicalize_name(name), version) for name, version in environment.packages.items()):
        if not is_left_out(name):
            sha256 = stored.get(name) or hashes.get(name)
            ref = f"{name}@{version}" + (f"#{sha256[:12]}" if sha256 else "")
            found[ref] = _library(ref, name, version, sha256, indexed=name not in stored)
    return found


def _of(environment: Environment) -> str:
    return f"Lambda layer for Python {environment.python}, without the packages of the function's own code"


def _library(ref: str, name: str, version: str, sha256: str | None, *, indexed: bool) -> _Document:
    url = {"purl": f"pkg:pypi/{name}@{quote(version, safe='')}"} if indexed else {}
    digest = {"hashes": [{"alg": "SHA-256", "content": sha256}]} if sha256 else {}
    return {"type": "library", "bom-ref": ref, "name": name, "version": version, **url, **digest}


def _written(
    subject: _Document, components: list[_Document], depends: Mapping[str, list[str]], *, number: str | None = None
) -> str:
    said = {
        "metadata": {"component": subject},
        "components": components,
        "dependencies": [{"ref": ref, "dependsOn": on} for ref, on in depends.items()],
    }
    number = number or json.dumps(said, sort_keys=True)
    head = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, number)}",
        "version": 1,
    }
    return json.dumps({**head, **said}, indent=2) + "\n"
