"""Serves a model of the registry behind an API."""

import pulumi
from sklearn_on_lambda import SklearnModel

config = pulumi.Config()
model = SklearnModel(
    f"{config.require('model')}-{pulumi.get_stack()}",
    {
        "registry_bucket": config.require("registryBucket"),
        "model": config.require("model"),
        "tag": config.require("tag"),
    },
)

pulumi.export("url", model.invoke_url)
pulumi.export("curl", model.curl_get)
