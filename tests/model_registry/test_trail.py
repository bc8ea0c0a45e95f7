"""What a trail of CloudTrail has seen shows moves that somebody deleted for good, which nothing in the bucket does.

MiniStack writes no log files. These have the form of CloudTrail's, and what was really done to the bucket.
"""

import gzip
import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import pytest
from typer.testing import CliRunner

from local.ministack import LocalAws
from model_registry import Registry, Storage, trail
from model_registry.audit import audit
from model_registry.cli import app
from model_registry.records import tag_key
from model_registry.trail import Trail
from model_runtime.errors import AccessDeniedError, BucketNotFoundError, InvalidNameError
from tests.conftest import new_bucket
from tests.model_registry.processes import add

KEY = tag_key("iris", "prod")
PROMOTER = "arn:aws:sts::000000000000:assumed-role/promoter/ci"
ATTACKER = "arn:aws:iam::000000000000:user/attacker"


@dataclass
class CloudTrail:
    """Writes log files as CloudTrail does: `see` has the writes of the tag that it has not written yet."""

    aws: LocalAws
    bucket: str
    logs: str
    prefix: str = ""
    day: date = date(2026, 11, 26)
    known: set[str] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"s3://{self.logs}/{self.prefix}".rstrip("/")

    def see(self, by: str = PROMOTER) -> None:
        listed = self.aws.client("s3").list_object_versions(Bucket=self.bucket, Prefix=KEY)
        new = [one for one in listed["Versions"] if one["Key"] == KEY and one["VersionId"] not in self.known]
        self.known |= {one["VersionId"] for one in new}
        self.log(*(self.event("PutObject", by, answer={"x-amz-version-id": one["VersionId"]}) for one in new))

    def delete_newest(self) -> str:
        """Delete the newest version for good, as whoever may do so can."""
        s3 = self.aws.client("s3")
        version: str = s3.list_object_versions(Bucket=self.bucket, Prefix=KEY)["Versions"][0]["VersionId"]
        s3.delete_object(Bucket=self.bucket, Key=KEY, VersionId=version)
        return version

    def event(self, name: str, by: str, answer: Any = None, **request: Any) -> dict[str, Any]:
        place = {"bucketName": self.bucket, "key": KEY, "Host": "s3.amazonaws.com"}
        return {
            "eventVersion": "1.11",
            "userIdentity": {"type": "AssumedRole", "arn": by, "accountId": "000000000000"},
            "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "eventSource": "s3.amazonaws.com",
            "eventName": name,
            "requestParameters": place | request,
            "responseElements": answer,
            "readOnly": False,
        }

    def log(self, *events: Any) -> None:
        self.write(gzip.compress(json.dumps({"Records": events}).encode()))

    def write(self, data: bytes) -> None:
        folder = f"{self.prefix}/AWSLogs".lstrip("/")
        name = f"000000000000_CloudTrail_us-east-1_{self.day:%Y%m%d}T0010Z_{uuid.uuid4().hex[:16]}.json.gz"
        key = f"{folder}/000000000000/CloudTrail/us-east-1/{self.day:%Y/%m/%d}/{name}"
        self.aws.client("s3").put_object(Bucket=self.logs, Key=key, Body=data)


@pytest.fixture
def cloud_trail(aws: LocalAws, bucket: str, registry: Registry, storage: Storage) -> CloudTrail:
    """A trail that has seen three moves of the tag prod."""
    made = CloudTrail(aws, bucket, new_bucket(aws))
    for number in (1, 2, 3):
        add(storage, "iris", b"%d" % number)
        registry.tag(f"iris/{number}", "prod")
        made.see()
    return made


def found(cloud_trail: CloudTrail, since: date | None = None) -> list[str]:
    return audit(cloud_trail.bucket, "iris@prod", trail=Trail.parse(cloud_trail.url), since=since)


def test_what_was_only_continued_is_in_order(cloud_trail: CloudTrail, registry: Registry) -> None:
    assert found(cloud_trail) == []
    registry.rollback("iris@prod")
    assert found(cloud_trail) == [], "not delivered yet"
    cloud_trail.see()
    assert found(cloud_trail) == []


def test_a_last_move_that_was_deleted_for_good_is_found_with_who_did_it(
    cloud_trail: CloudTrail, registry: Registry
) -> None:
    version = cloud_trail.delete_newest()
    assert registry.tag_of("iris@prod").version == 2, "the registry cannot see it"
    assert audit(cloud_trail.bucket, "iris@prod") == [], "nor can the bucket"
    (fault,) = found(cloud_trail)
    assert fault.startswith(f"iris@prod: what {PROMOTER} wrote at 20")
    assert fault.endswith(f"(version {version}) is gone for good: who deleted it is not in the trail")
    cloud_trail.log(cloud_trail.event("DeleteObject", ATTACKER, versionId=version))
    (fault,) = found(cloud_trail)
    assert f"(version {version}) is gone for good: {ATTACKER} deleted it at 20" in fault


def test_a_head_that_was_put_back_after_the_last_move_was_deleted_is_found(
    aws: LocalAws, cloud_trail: CloudTrail, storage: Storage, registry: Registry
) -> None:
    version = cloud_trail.delete_newest()
    stored = storage.read(KEY)
    assert stored is not None
    aws.client("s3").put_object(Bucket=cloud_trail.bucket, Key=KEY, Body=stored.data)
    cloud_trail.see(by=ATTACKER)
    assert registry.tag_of("iris@prod").version == 2
    assert audit(cloud_trail.bucket, "iris@prod") == []
    (fault,) = found(cloud_trail)
    assert f"(version {version}) is gone for good" in fault


def test_what_is_no_write_of_the_tag_is_no_matter(cloud_trail: CloudTrail) -> None:
    made = {"x-amz-version-id": "another"}
    cloud_trail.log(
        cloud_trail.event("PutObject", ATTACKER, made, key="models/iris/tags/prod-eu.json"),
        cloud_trail.event("PutObject", ATTACKER, made, bucketName="another"),
        cloud_trail.event("PutObject", ATTACKER, made) | {"errorCode": "PreconditionFailed"},
        cloud_trail.event("DeleteObject", ATTACKER, {"x-amz-delete-marker": "true", **made}),
        cloud_trail.event("PutObjectTagging", ATTACKER),
        {"eventName": 7, "requestParameters": "none of ours"},
        {},
    )
    cloud_trail.write(gzip.compress(b'{"Records": []}'))
    cloud_trail.aws.client("s3").put_object(Bucket=cloud_trail.logs, Key="AWSLogs/1/CloudTrail-Digest/x.json.gz")
    assert found(cloud_trail) == []


def test_who_wrote_is_told_also_where_that_is_a_service_or_nobody(cloud_trail: CloudTrail) -> None:
    put = cloud_trail.event("CopyObject", "", {"x-amz-version-id": "a"}) | {"userIdentity": None}
    other = cloud_trail.event("PutObject", "", {"x-amz-version-id": "b"})
    cloud_trail.log(put, other | {"userIdentity": {"invokedBy": "replication.amazonaws.com"}})
    one, two = sorted(found(cloud_trail))
    assert "what nobody that is known wrote" in one
    assert "what replication.amazonaws.com wrote" in two


@pytest.mark.parametrize(
    "data",
    [b"", b"no gzip", gzip.compress(b"{", mtime=0), gzip.compress(b"[1]", mtime=0), gzip.compress(b"{}", mtime=0)[:-9]],
)
def test_a_damaged_log_file_is_told_and_hides_no_other(cloud_trail: CloudTrail, data: bytes) -> None:
    cloud_trail.delete_newest()
    cloud_trail.write(data)
    damaged, gone = found(cloud_trail)
    assert damaged.startswith(f"s3://{cloud_trail.logs}/AWSLogs/")
    assert "is not a log file of CloudTrail (" in damaged
    assert "is gone for good" in gone


def test_a_log_file_that_unpacks_to_too_much_is_not_unpacked(
    cloud_trail: CloudTrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trail, "_LARGEST", 10_000)
    cloud_trail.write(gzip.compress(bytes(10_001)))
    (fault,) = found(cloud_trail)
    assert "(it has more than 10,000 bytes)" in fault


def test_a_trail_that_knows_nothing_of_the_tag_says_so(aws: LocalAws, cloud_trail: CloudTrail) -> None:
    empty = CloudTrail(aws, cloud_trail.bucket, new_bucket(aws))
    (fault,) = found(empty)
    assert f"the trail in s3://{empty.logs} has seen no write of what is stored" in fault
    assert found(cloud_trail, since=date(2026, 11, 26)) == []
    assert "has seen no write" in found(cloud_trail, since=date(2026, 12, 1))[0]


def test_a_trail_has_a_prefix(aws: LocalAws, cloud_trail: CloudTrail, registry: Registry) -> None:
    own = CloudTrail(aws, cloud_trail.bucket, cloud_trail.logs, "of/models")
    registry.rollback("iris@prod")
    own.see()
    assert found(own) == []


def test_what_cannot_be_read_is_said_in_words(cloud_trail: CloudTrail, request: pytest.FixtureRequest) -> None:
    with pytest.raises(InvalidNameError, match="write s3://NAME, or s3://NAME/PREFIX"):
        Trail.parse("s3://No/x")
    with pytest.raises(BucketNotFoundError, match="s3://there-is-none: there is no such bucket"):
        audit(cloud_trail.bucket, "iris@prod", trail=Trail("there-is-none"))
    name = request.getfixturevalue("outsider")
    place = f"arn:aws:s3:::{cloud_trail.bucket}"
    policy = {"Effect": "Allow", "Action": "s3:*", "Resource": [place, f"{place}/*"]}
    document = json.dumps({"Version": "2012-10-17", "Statement": [policy]})
    cloud_trail.aws.client("iam").put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
    said = f"s3://{cloud_trail.logs}: not allowed to read the log files of a trail: use credentials that may s3:ListB"
    with pytest.raises(AccessDeniedError, match=said):
        found(cloud_trail)


def test_the_command_line_takes_a_trail(cloud_trail: CloudTrail) -> None:
    verify = ["verify", "--quick", "--bucket", cloud_trail.bucket, "--trail", cloud_trail.url, "--json"]
    done = CliRunner().invoke(app, [*verify, "iris@prod", "--since", "2026-11-01"])
    assert (done.exit_code, json.loads(done.stdout)["faults"]) == (0, []), done.stderr
    cloud_trail.delete_newest()
    done = CliRunner().invoke(app, [*verify, "iris@prod"])
    assert (done.exit_code, len(json.loads(done.stdout)["faults"])) == (3, 1), done.stderr
    done = CliRunner().invoke(app, [*verify, "iris/1"])
    assert done.exit_code == 1
    assert "iris/1 of " in done.stderr
    assert "leave out --trail" in done.stderr
