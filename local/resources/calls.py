"""What a program can ask of AWS without creating anything: a table from Pulumi's function token to the answer."""

from collections.abc import Callable, Mapping

from local.ministack import REGION, LocalAws
from local.resources.base import Properties


def _caller(aws: LocalAws) -> Properties:
    caller = aws.client("sts").get_caller_identity()
    account = caller["Account"]
    return {"accountId": account, "id": account, "arn": caller["Arn"], "userId": caller["UserId"]}


CALLS: Mapping[str, Callable[[LocalAws], Properties]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": _caller,
    "aws:index/getRegion:getRegion": lambda _aws: {
        "id": REGION,
        "name": REGION,
        "region": REGION,
        "description": "US East (N. Virginia)",
        "endpoint": f"ec2.{REGION}.amazonaws.com",
    },
    "aws:index/getPartition:getPartition": lambda _aws: {
        "id": "aws",
        "partition": "aws",
        "dnsSuffix": "amazonaws.com",
        "reverseDnsPrefix": "com.amazonaws",
    },
}
