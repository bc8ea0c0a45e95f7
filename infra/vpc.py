"""Whether a function in a VPC reaches S3, which has its model: read before anything is declared.

A function has no public address, so an internet gateway leads nowhere. Source: AWS Lambda Developer Guide, "Enable
internet access for VPC-connected Lambda functions"; Amazon VPC User Guide, "Gateway endpoints for Amazon S3".
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from infra import aws_account
from infra.settings import Settings, SettingsError

_Found = Mapping[str, Any]


def check_way_to_s3(settings: Settings) -> None:
    """Refuse subnets whose route tables lead nowhere but into the VPC, where it has no endpoint for S3 either.

    Raises:
        SettingsError: the message has the command that makes an endpoint.

    """
    subnets = settings.subnet_ids
    # The subnets of resources of the same program are not there yet.
    if not isinstance(subnets, tuple) or not subnets or not all(isinstance(one, str) for one in subnets):
        return
    ec2 = aws_account.client("ec2")
    service = f"com.amazonaws.{ec2.meta.region_name}.s3"
    refusal = aws_account.known(
        "ec2:DescribeSubnets, DescribeRouteTables and DescribeVpcEndpoints", lambda: _refusal(ec2, subnets, service)
    )
    if refusal:
        raise SettingsError(refusal)


def _refusal(ec2: Any, ids: Sequence[str], service: str) -> str:
    subnets = ec2.describe_subnets(Filters=[_filter("subnet-id", ids)])["Subnets"]
    vpcs = sorted({subnet["VpcId"] for subnet in subnets})
    if not vpcs:
        return ""
    tables = ec2.describe_route_tables(Filters=[_filter("vpc-id", vpcs)])["RouteTables"]
    filters = [_filter("vpc-id", vpcs), _filter("service-name", [f"*{service}"])]  # in China it begins with `cn.`
    endpoints = ec2.describe_vpc_endpoints(Filters=filters)["VpcEndpoints"]
    for subnet in subnets:
        table = _table_of(subnet, tables)
        if table and not (_leads_out(table["Routes"]) or any(_serves(one, subnet, table) for one in endpoints)):
            return (
                f"subnetIds has {subnet['SubnetId']}, whose route table {table['RouteTableId']} leads nowhere but into "
                f"the VPC, and the function reads its model from S3: `aws ec2 create-vpc-endpoint --vpc-id "
                f"{subnet['VpcId']} --service-name {service} --route-table-ids {table['RouteTableId']}`, which is "
                "free, or add a route to a NAT gateway"
            )
    return ""


def _filter(name: str, values: Sequence[str]) -> dict[str, Any]:
    return {"Name": name, "Values": list(values)}


def _table_of(subnet: _Found, tables: Iterable[_Found]) -> _Found | None:
    """The subnet's own route table, or else the main one of its VPC."""
    of_the_vpc = [table for table in tables if table["VpcId"] == subnet["VpcId"]]
    for own in (True, False):
        for table in of_the_vpc:
            for one in table.get("Associations", []):
                if one.get("SubnetId") == subnet["SubnetId"] if own else one.get("Main"):
                    return table
    return None


def _leads_out(routes: Iterable[_Found]) -> bool:
    """Whether any route leads out of the VPC by something else than an internet gateway or an endpoint.

    Where it leads is not known: to a firewall, or to a network of the owner's. It is not refused then.
    """
    inside = ("local", "igw-", "vpce-")
    return any(
        route.get("State") != "blackhole" and not str(route.get("GatewayId", "other")).startswith(inside)
        for route in routes
    )


def _serves(endpoint: _Found, subnet: _Found, table: _Found) -> bool:
    if endpoint["VpcId"] != subnet["VpcId"]:
        return False
    if endpoint.get("VpcEndpointType") == "Interface":
        return bool(endpoint.get("PrivateDnsEnabled"))
    return table["RouteTableId"] in endpoint.get("RouteTableIds", [])
