from infra.custom_domain import CustomDomain
from tests.infra.examples import settings
from tests.infra.recording import record

CERTIFICATE = "arn:aws:acm:eu-central-1:123456789012:certificate/0a1b"


def test_the_domain_is_regional_with_its_certificate_and_its_root_leads_to_the_stage() -> None:
    recording = record(
        lambda: CustomDomain(
            "iris-dev-domain",
            settings=settings(domain_name="iris.example.com", certificate_arn=CERTIFICATE, tags={"team": "a"}),
            rest_api="rest-id",
            stage="dev",
        )
    )
    domain = recording.one("DomainName").inputs
    assert (domain["domainName"], domain["regionalCertificateArn"]) == ("iris.example.com", CERTIFICATE)
    assert domain["endpointConfiguration"] == {"types": "REGIONAL"}
    assert domain["securityPolicy"] == "TLS_1_2"
    assert domain["tags"] == {"team": "a"}
    mapping = recording.one("BasePathMapping").inputs
    assert mapping == {"domainName": "iris.example.com", "restApi": "rest-id", "stageName": "dev"}
