"""A function in a VPC without a way to S3 is refused before anything is declared."""

import uuid
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest
from botocore.exceptions import ClientError

from infra import aws_account
from infra.settings import SettingsError
from infra.vpc import check_way_to_s3
from local.ministack import REGION, LocalAws
from tests.infra.examples import settings


@pytest.fixture
def ec2(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(aws_account, "client", aws.client)
    return aws.client("ec2")


@pytest.fixture
def network(ec2: Any) -> Iterator[tuple[str, str, str]]:
    """A VPC, a subnet of it, and the subnet's route table, which leads nowhere."""
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.0.0/24")["Subnet"]["SubnetId"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    yield vpc, subnet, table
    ec2.delete_subnet(SubnetId=subnet)


def check(subnet: str) -> None:
    check_way_to_s3(settings(subnet_ids=(subnet,), security_group_ids=("sg-0a1b2c3d",)))


def refused(subnet: str) -> str:
    with pytest.raises(SettingsError) as refusal:
        check(subnet)
    return str(refusal.value)


def test_a_subnet_that_leads_nowhere_is_refused_and_the_command_of_the_refusal_helps(
    ec2: Any, network: tuple[str, str, str]
) -> None:
    vpc, subnet, table = network
    said = refused(subnet)
    service = f"com.amazonaws.{REGION}.s3"
    command = f"--vpc-id {vpc} --service-name {service} --route-table-ids {table}`"
    assert f"subnetIds has {subnet}" in said
    assert command in said
    ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=service, RouteTableIds=[table])
    check(subnet)


def test_an_internet_gateway_leads_nowhere_and_a_nat_gateway_out(ec2: Any, network: tuple[str, str, str]) -> None:
    """A function has no public address."""
    vpc, subnet, table = network
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    assert "leads nowhere" in refused(subnet)
    nat = ec2.create_nat_gateway(SubnetId=subnet, ConnectivityType="private")["NatGateway"]["NatGatewayId"]
    ec2.replace_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)
    check(subnet)


def test_an_interface_endpoint_is_enough_where_names_lead_to_it(ec2: Any, network: tuple[str, str, str]) -> None:
    vpc, subnet, _ = network
    made = {"VpcId": vpc, "ServiceName": f"com.amazonaws.{REGION}.s3", "VpcEndpointType": "Interface"}
    ec2.create_vpc_endpoint(**made, SubnetIds=[subnet])
    assert "leads nowhere" in refused(subnet)
    event = "after-call.ec2.DescribeVpcEndpoints"
    ec2.meta.events.register(event, _with_names)
    try:
        check(subnet)
    finally:
        ec2.meta.events.unregister(event, _with_names)


def test_a_subnet_without_a_table_of_its_own_has_the_main_one(ec2: Any) -> None:
    vpc = ec2.create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.8.0.0/24")["Subnet"]["SubnetId"]
    assert "leads nowhere" in refused(subnet)


def test_what_is_not_known_is_not_refused(ec2: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Subnets of nobody are Lambda's to refuse; a right that is missing is said."""
    check(f"subnet-{uuid.uuid4().hex[:8]}")
    warnings: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warnings.append)
    ec2.meta.events.register("before-call.ec2.DescribeSubnets", _refuse)
    try:
        check("subnet-0a1b2c3d")
    finally:
        ec2.meta.events.unregister("before-call.ec2.DescribeSubnets", _refuse)
    assert "ec2:DescribeSubnets" in warnings[0]


def _with_names(parsed: dict[str, Any], **_event: Any) -> None:
    """MiniStack does not keep whether an endpoint has private DNS."""
    for endpoint in parsed["VpcEndpoints"]:
        endpoint["PrivateDnsEnabled"] = True


def _refuse(**_event: Any) -> None:
    raise ClientError({"Error": {"Code": "UnauthorizedOperation", "Message": "no"}}, "DescribeSubnets")
