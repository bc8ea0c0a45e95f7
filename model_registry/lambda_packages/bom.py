"""The bill of materials of a layer, as CycloneDX 1.5 in JSON: the same layer gives the same bytes."""

import json
import uuid
from typing import Any
from urllib.parse import quote

from model_registry.lambda_packages.spec import LayerSpec

_NAMESPACE = uuid.UUID("5c7f0d43-64a5-5d0c-9bd4-3f1e5b5e2b7a")
"""Made up once: a layer's serial number is the UUID of its key in it."""


def bom(spec: LayerSpec) -> str:
    """The packages of a layer with their versions, package URLs and the SHA-256 of their wheels.

    A package that the model has itself as a wheel has no package URL, as no index has it. One that may come as several
    wheels, as those of the handler, has no digest.
    """
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, spec.key)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "container",
                "bom-ref": "layer",
                "name": f"layer-{spec.key[:12]}",
                "description": f"Lambda layer for {spec.runtime.name} on {spec.architecture}",
            }
        },
        "components": [_component(spec, name, version) for name, version in spec.packages],
        "dependencies": [{"ref": "layer", "dependsOn": [f"{name}@{version}" for name, version in spec.packages]}],
    }
    return json.dumps(document, indent=2) + "\n"


def _component(spec: LayerSpec, name: str, version: str) -> dict[str, Any]:
    stored = spec.stored.get(name)
    hashes = [stored] if stored else list(spec.hashes.get(name, ()))
    url = {} if stored else {"purl": f"pkg:pypi/{name}@{quote(version, safe='')}"}
    digest = {"hashes": [{"alg": "SHA-256", "content": hashes[0]}]} if len(hashes) == 1 else {}
    return {"type": "library", "bom-ref": f"{name}@{version}", "name": name, "version": version, **url, **digest}
