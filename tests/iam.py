"""Policies judged without a request: by a linter, and by MiniStack's evaluator.

The evaluator is for condition keys that MiniStack's services do not fill in, so that its own requests do not show them.
"""

import json
import subprocess
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from local.environment import ministack_python
from local.ministack import ENVIRONMENTS

with warnings.catch_warnings():
    # It leaves the files open that it reads when it is imported, and takes pkg_resources, which is deprecated.
    # Its dependency json-cfg has escapes in texts that newer Pythons warn of when they compile it.
    for category in (ResourceWarning, DeprecationWarning, SyntaxWarning):
        warnings.simplefilter("ignore", category)
    warnings.filterwarnings("ignore", "(pkg_resources is deprecated|Deprecated call to `pkg_resources)")
    import parliament

_SCRIPT = """
import json, sys
from ministack.core import iam_evaluator as iam
for one in json.load(sys.stdin):
    context = iam.EvalContext(
        one["principal"], "User", one["principal"].split(":")[4], one["action"], one["resource"], "us-east-1",
        secure_transport=True, service_context={name.lower(): value for name, value in one["keys"].items()})
    own = iam.evaluate(context, [iam.parse_policy_document(one["policy"])])
    print((iam.combine_resource_policy(own, context, one["bucket_policy"], "123456789012")
           if one["bucket_policy"] else own).decision)
"""


@dataclass(frozen=True)
class Asked:
    """A request, with the policies that judge it."""

    action: str
    resource: str
    policy: Mapping[str, Any]
    """Of who asks."""
    bucket_policy: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Condition keys that the request has."""
    principal: str = "arn:aws:iam::123456789012:user/somebody"


def decisions(asked: Sequence[Asked]) -> list[str]:
    """For each request `Allow`, `Deny` (a statement denies) or `ImplicitDeny` (none allows)."""
    done = subprocess.run(
        [ministack_python(ENVIRONMENTS), "-c", _SCRIPT],
        input=json.dumps([asdict(one) for one in asked]),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def lint(document: str, *, resource: str | None = None) -> list[str]:
    """The linter's findings. A trust policy has no resource, which the linter wants: it is given the role's own."""
    parsed = json.loads(document)
    if resource:
        parsed["Statement"] = [{"Resource": resource, **statement} for statement in parsed["Statement"]]
    found = parliament.analyze_policy_string(json.dumps(parsed)).findings
    return [f"{finding.issue} {finding.detail}" for finding in found]
