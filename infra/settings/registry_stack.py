"""The registry's bucket by the stack that has it as an output: `ORGANIZATION/PROJECT/registry` in place of a name."""

import re
from typing import Any

import pulumi

from infra.settings.errors import SettingsError

OUTPUT = "registryBucket"
_STACK = re.compile(r"[^/\s]+/[^/\s]+/[^/\s]+")


def bucket_of(value: Any) -> Any:
    """The bucket that a stack's output names; what is no stack's name is given back as it is.

    The engine's own function reads it, as for StackReference, but at once: the model is looked for before anything is
    declared.

    Raises:
        SettingsError: there is no such stack, or it has no such output.

    """
    if not isinstance(value, str) or not _STACK.fullmatch(value):
        return value
    remedy = "name the stack of the registry, or its bucket: `pulumi config set registryBucket VALUE`"
    try:
        found = pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", {"name": value}).value
    except Exception as error:  # pulumi raises nothing narrower
        raise SettingsError(f"registryBucket is {value}, a stack whose outputs cannot be read: {remedy}") from error
    outputs = (found or {}).get("outputs") or {}
    if OUTPUT not in outputs:
        raise SettingsError(
            f"registryBucket is {value}, a stack with the outputs {', '.join(sorted(outputs)) or 'none'} and without "
            f"{OUTPUT}: {remedy}"
        )
    return outputs[OUTPUT]
