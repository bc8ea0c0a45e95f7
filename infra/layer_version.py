"""The Lambda layer with the model's packages."""

import pulumi
import pulumi_aws as aws

from infra.artifact_bucket import ArtifactBucket
from infra.layer.build import Layer
from model_registry.lambda_packages.bom import MEDIA_TYPE
from model_registry.lambda_packages.platform import lambda_runtime


class DependencyLayer(pulumi.ComponentResource):
    """A layer version made from a built zip, through S3 as it is larger than a direct upload may be (50 MB)."""

    arn: pulumi.Output[str]
    """ARN of the layer version."""

    def __init__(
        self,
        name: str,
        *,
        layer: Layer,
        python: str,
        architecture: str,
        artifacts: ArtifactBucket,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`layer.key` addresses the content: the same packages give the same key, and no new layer version."""
        super().__init__("sklearn-on-lambda:infra:DependencyLayer", name, None, opts)
        upload = artifacts.upload(
            f"{name}-zip", key=f"layers/{layer.key}.zip", content=pulumi.FileAsset(str(layer.path))
        )
        artifacts.write(
            f"{name}-bom",
            key=f"layers/{layer.key}.cdx.json",
            text=layer.bom,
            content_type=MEDIA_TYPE,
        )
        version = aws.lambda_.LayerVersion(
            f"{name}-version",
            layer_name=name,
            description=f"Packages of a scikit-learn model, {layer.unzipped_bytes:,} bytes",
            s3_bucket=upload.bucket,
            s3_key=upload.key,
            compatible_runtimes=[lambda_runtime(python)],
            compatible_architectures=[architecture],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.arn = version.arn
        self.register_outputs({"arn": self.arn})
