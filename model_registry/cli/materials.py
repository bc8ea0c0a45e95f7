"""`sbom`."""

from enum import StrEnum
from typing import Annotated

import typer

from model_registry.cli.common import READ, Address, Bucket, Profile, app, known_errors, open_registry, talk
from model_runtime.errors import ModelFormatError


class Architecture(StrEnum):
    """Lambda's names."""

    X86_64 = "x86_64"
    ARM64 = "arm64"


@app.command(rich_help_panel=READ)
def sbom(
    bucket: Bucket,
    address: Address,
    model_format: Annotated[str, typer.Option("--format", help="joblib, skops or onnx.")] = "joblib",
    architecture: Annotated[
        Architecture, typer.Option("--architecture", help="That of the function.")
    ] = Architecture.X86_64,
    signing: Annotated[bool, typer.Option("--signing", help="As for a stack that trusts a public key.")] = False,
    profile: Profile = None,
) -> None:
    """Print what a version's layer is made of, as CycloneDX (JSON); a deployment writes the same beside the layer."""
    from model_registry.lambda_packages.bom import bom
    from model_registry.lambda_packages.errors import LayerError
    from model_registry.lambda_packages.pinned import layer_spec

    with known_errors():
        registry = open_registry(bucket, profile)
        release = registry.resolve(address)
        environment = release.manifest.model_format(model_format).environment
        try:
            spec = layer_spec(environment, architecture.value, registry.wheels(release), signing=signing)
        except LayerError as error:
            raise ModelFormatError(f"{address} has no layer: {error}") from error
        if spec.unpinned:
            talk.print(f"note: the manifest has no digests of {', '.join(spec.unpinned)} for {architecture.value}")
        print(bom(spec), end="")
