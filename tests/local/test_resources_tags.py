"""The tags of every type that has them follow a change of the program."""

from typing import Any

from local.resources import RESOURCES
from tests.local.made import API, FUNCTION, GROUP, KEY, PLAN, ROLE, STAGE, Made, make_api

OLD, NEW = {"team": "a", "old": "1"}, {"team": "b", "new": "2"}


def read_tags(made: Made, token: str) -> dict[str, str]:
    """The tags as the resource's own service says them."""
    client = made.aws.client
    arn = made.outputs[token].get("arn")
    listed: Any
    if token == ROLE:
        listed = client("iam").list_role_tags(RoleName=made.ids[ROLE])["Tags"]
        return {tag["Key"]: tag["Value"] for tag in listed}
    if token == FUNCTION:
        return dict(client("lambda").list_tags(Resource=arn)["Tags"])
    if token == GROUP:
        return dict(client("logs").list_tags_for_resource(resourceArn=arn)["tags"])
    return dict(client("apigateway").get_tags(resourceArn=arn)["tags"])


def test_tags_follow_a_change_and_go_with_it(made: Made) -> None:
    make_api(made)
    made.make(GROUP, name=f"/test/{made.name}")
    made.make(KEY, name=made.name)
    made.make(PLAN, name=made.name, apiStages=[{"apiId": made.ids[API], "stage": "dev"}])
    for token in (ROLE, FUNCTION, GROUP, API, STAGE, KEY, PLAN):
        for tags in (OLD, NEW, {}):
            made.update(token, tags=tags)
            assert read_tags(made, token) == tags, token


def test_a_key_keeps_its_value_when_only_its_tags_change(made: Made) -> None:
    """Anything else of it makes another key, as before."""
    assert RESOURCES[KEY].identity == RESOURCES[KEY].inputs - {"tags"}
    value = made.make(KEY, name=made.name, tags=OLD)["value"]
    made.update(KEY, tags=NEW)
    found = made.aws.client("apigateway").get_api_key(apiKey=made.ids[KEY], includeValue=True)
    assert found["value"] == value
