"""A domain name of the account's own in front of an API."""

import pulumi
import pulumi_aws as aws

from infra.settings import Settings


class CustomDomain(pulumi.ComponentResource):
    """A regional domain name that leads to one stage. Its DNS record is the owner's: the outputs give its target."""

    target: pulumi.Output[str]
    """What the domain's DNS record, an alias or CNAME, must point at."""
    target_zone: pulumi.Output[str]
    """ID of the target's hosted zone, which an alias record of Route 53 asks for."""

    def __init__(
        self,
        name: str,
        *,
        settings: Settings,
        rest_api: pulumi.Input[str],
        stage: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("sklearn-on-lambda:infra:CustomDomain", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        domain_name = aws.apigateway.DomainName(
            f"{name}-name",
            domain_name=settings.domain_name,
            regional_certificate_arn=settings.certificate_arn,
            endpoint_configuration={"types": "REGIONAL"},
            security_policy="TLS_1_2",
            mutual_tls_authentication={"truststore_uri": settings.truststore_uri} if settings.truststore_uri else None,
            tags=settings.resource_tags,
            opts=child,
        )
        aws.apigateway.BasePathMapping(
            f"{name}-mapping", rest_api=rest_api, stage_name=stage, domain_name=domain_name.domain_name, opts=child
        )
        self.target = domain_name.regional_domain_name
        self.target_zone = domain_name.regional_zone_id
        self.register_outputs({"target": self.target})
