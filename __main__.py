"""The Pulumi program: settings, one component, outputs."""

import pulumi

from infra.model import SklearnModel
from infra.registry import ModelRegistryBucket
from infra.settings import Settings, read_settings
from infra.settings.arguments import model_arguments, registry_arguments

settings = read_settings()
component: SklearnModel | ModelRegistryBucket
if isinstance(settings, Settings):
    component = SklearnModel(settings.service, model_arguments(settings))
else:
    component = ModelRegistryBucket("registry", registry_arguments(settings))
for name, value in component.outputs.items():
    pulumi.export(name, value)
