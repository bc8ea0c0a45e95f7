import pytest

from tests.local.made import API, DOMAIN, MAPPING, Made, make_api

CERTIFICATE = "arn:aws:acm:us-east-1:000000000000:certificate/one"


def test_a_domain_leads_to_a_stage_and_keeps_its_mappings_through_a_change(made: Made) -> None:
    """Deleting the mapping and the domain leaves neither, and doing it again is no error."""
    gateway = made.aws.client("apigateway")
    make_api(made)
    host = f"{made.name}.example.com"
    domain = made.make(
        DOMAIN,
        domainName=host,
        regionalCertificateArn=CERTIFICATE,
        endpointConfiguration={"types": "REGIONAL"},
        securityPolicy="TLS_1_2",
        tags={"a": "b"},
    )
    assert domain["regionalDomainName"].startswith(host)
    made.make(MAPPING, domainName=host, restApi=made.ids[API], stageName="dev")
    made.update(DOMAIN, regionalCertificateArn=CERTIFICATE.replace("one", "two"))
    assert gateway.get_domain_name(domainName=host)["regionalCertificateArn"].endswith("two")
    (mapping,) = gateway.get_base_path_mappings(domainName=host)["items"]
    assert mapping == {"basePath": "(none)", "restApiId": made.ids[API], "stage": "dev"}

    made.update(MAPPING, stageName="prod")
    (mapping,) = gateway.get_base_path_mappings(domainName=host)["items"]
    assert mapping["stage"] == "prod"
    made.remove(MAPPING)
    made.remove(DOMAIN)
    with pytest.raises(gateway.exceptions.NotFoundException):
        gateway.get_domain_name(domainName=host)
