"""Changed tags, in the words of each service: the types' own updates leave tags alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from local.ministack import REGION, LocalAws
from local.resources.base import Properties, ResourceType, account, tag_list

_Arn = Callable[[LocalAws, str, Properties], str]


@dataclass(frozen=True)
class _Service:
    """How a service reads, sets and removes the tags of one resource, which `resource` names to it."""

    name: str
    resource: str
    read: str
    tags: str
    """The parameter and member for tags; the one for keys is `keys`."""
    keys: str
    write: str = "tag_resource"
    remove: str = "untag_resource"
    listed: bool = False
    """Whether tags are a list of Key and Value, and not a mapping."""

    def sync(self, aws: LocalAws, identity: str, wanted: Mapping[str, str]) -> None:
        client, place = aws.client(self.name), {self.resource: identity}
        found = getattr(client, self.read)(**place).get(self.tags) or {}
        old = {tag["Key"] for tag in found} if self.listed else set(found)
        if gone := sorted(old - wanted.keys()):
            getattr(client, self.remove)(**place, **{self.keys: gone})
        if wanted:
            tags = tag_list(dict(wanted)) if self.listed else dict(wanted)
            getattr(client, self.write)(**place, **{self.tags: tags})


_LAMBDA = _Service("lambda", "Resource", "list_tags", "Tags", "TagKeys")
_LOGS = _Service("logs", "resourceArn", "list_tags_for_resource", "tags", "tagKeys")
_GATEWAY = _Service("apigateway", "resourceArn", "get_tags", "tags", "tagKeys")
_ROLE = _Service("iam", "RoleName", "list_role_tags", "Tags", "TagKeys", "tag_role", "untag_role", listed=True)
_POLICY = _Service("iam", "PolicyArn", "list_policy_tags", "Tags", "TagKeys", "tag_policy", "untag_policy", listed=True)


def _gateway(path: str) -> tuple[_Service, _Arn]:
    def arn(_aws: LocalAws, identity: str, inputs: Properties) -> str:
        return f"arn:aws:apigateway:{REGION}::{path.format(id=identity, **inputs)}"

    return _GATEWAY, arn


_TAGGED: Mapping[str, tuple[_Service, _Arn]] = {
    "aws:lambda/function:Function": (
        _LAMBDA,
        lambda aws, identity, _inputs: f"arn:aws:lambda:{REGION}:{account(aws)}:function:{identity}",
    ),
    "aws:cloudwatch/logGroup:LogGroup": (
        _LOGS,
        lambda aws, identity, _inputs: f"arn:aws:logs:{REGION}:{account(aws)}:log-group:{identity}",
    ),
    "aws:iam/role:Role": (_ROLE, lambda _aws, identity, _inputs: identity),
    "aws:iam/policy:Policy": (_POLICY, lambda _aws, identity, _inputs: identity),
    "aws:apigateway/restApi:RestApi": _gateway("/restapis/{id}"),
    "aws:apigateway/stage:Stage": _gateway("/restapis/{restApi}/stages/{stageName}"),
    "aws:apigateway/apiKey:ApiKey": _gateway("/apikeys/{id}"),
    "aws:apigateway/usagePlan:UsagePlan": _gateway("/usageplans/{id}"),
}


def followed(kinds: Mapping[str, ResourceType]) -> dict[str, ResourceType]:
    """Return the types, of which those with tags let them follow a change.

    A type without an update gets one for its tags alone; any other change still makes another resource.
    """
    return {token: _follow(kind, *_TAGGED[token]) if token in _TAGGED else kind for token, kind in kinds.items()}


def _follow(kind: ResourceType, service: _Service, arn: _Arn) -> ResourceType:
    def update(aws: LocalAws, identity: str, inputs: Properties) -> Properties:
        outputs = kind.update(aws, identity, inputs) if kind.update else {}
        service.sync(aws, arn(aws, identity, inputs), inputs.get("tags") or {})
        return outputs

    return replace(kind, update=update, identity=kind.identity if kind.update else kind.inputs - {"tags"})
