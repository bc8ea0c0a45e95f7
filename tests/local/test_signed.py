"""A stack that trusts a key serves what was signed with it, and nothing else."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pulumi
import pytest
from sklearn.linear_model import LogisticRegression

from local.ministack import LocalAws
from model_registry import Registry, Storage
from model_registry.shipping import function_requirements
from model_registry.signing import Signer, generate_key
from model_runtime.errors import IntegrityError
from model_runtime.manifest import MANIFEST_FILE, MODEL_FILE, digest, encode, version_key
from model_runtime.signing import SIGNING_FILE
from tests.local.stacks import Deployed
from training.train_iris import GUIDE_EVENT, Trained, publish, train

Deploy = Callable[[str], Deployed]


pytestmark = pytest.mark.no_cover  # whole deployments: Pulumi's code and boto3's, with parts of ours that have tests


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer.from_pem(generate_key()[0])


@pytest.fixture
def signing(storage: Storage, trained_iris: Trained, signer: Signer) -> Registry:
    """A registry with the guide's model, signed and tagged dev."""
    registry = Registry(storage, actor="the tests", signer=signer)
    publish(registry, trained_iris, "signed")
    registry.tag("iris/1", "dev")
    return registry


@pytest.fixture
def deploy_stack(aws: LocalAws, bucket: str, signing: Registry, tmp_path: Path) -> Deploy:  # noqa: ARG001  # signing fills it
    """Deploys a stack that trusts the given key."""

    def run(public_key: str) -> Deployed:
        return Deployed(aws, "dev", tmp_path, {"registryBucket": bucket, "tag": "dev", "publicKey": public_key}).up()

    return run


def test_a_signed_model_is_served_and_a_function_that_trusts_another_key_refuses_it(
    deploy_stack: Deploy, signer: Signer
) -> None:
    """The layer carries what checks the signature: MiniStack's own environment does not have it."""
    stack = deploy_stack(signer.public_key)
    answer = stack.post(GUIDE_EVENT)
    assert (answer.status, answer.body["label"]) == (200, "virginica")
    assert stack.configuration()["Environment"]["Variables"]["MODEL_PUBLIC_KEY"] == signer.public_key

    stack.start_anew(MODEL_PUBLIC_KEY=Signer.from_pem(generate_key()[0]).public_key)
    refused = stack.post(GUIDE_EVENT)
    assert refused.status == 503
    assert signer.public_key not in str(refused.body)
    assert "manifest.sig of iris/1 is not by a trusted key" in stack.log()[-1]["reason"]


def test_a_model_whose_signature_was_taken_away_is_not_served(
    aws: LocalAws, bucket: str, deploy_stack: Deploy, signer: Signer
) -> None:
    stack = deploy_stack(signer.public_key)
    aws.client("s3").delete_object(Bucket=bucket, Key=version_key("iris", 1, SIGNING_FILE))
    stack.start_anew()
    assert stack.post(GUIDE_EVENT).status == 503
    assert "manifest.sig does not exist" in stack.log()[-1]["reason"]


def test_what_somebody_without_the_key_published_is_not_deployed(
    aws: LocalAws, deploy_stack: Deploy, signing: Registry, storage: Storage, signer: Signer
) -> None:
    """They can write everything in the bucket: a consistent version, its tag, an old signature, one of their own."""
    stack = deploy_stack(signer.public_key)
    release, bucket = signing.resolve("iris/1"), stack.outputs["registryBucket"]
    theirs = Registry(storage, actor="somebody else")
    publish(theirs, train(LogisticRegression(max_iter=1000)), "not signed")
    theirs.tag("iris/2", "dev")
    with pytest.raises(pulumi.RunError, match="the manifest of iris/2 is not signed"):
        stack.up()

    s3 = aws.client("s3")
    data = theirs.read_model(theirs.resolve("iris/2"))
    artifact = msgspec.structs.replace(release.manifest.artifact, sha256=digest(data), size=len(data))
    manifest = encode(msgspec.structs.replace(release.manifest, artifact=artifact))
    assert manifest != release.manifest_bytes
    for file, content in ((MODEL_FILE, data), (MANIFEST_FILE, manifest)):
        s3.put_object(Bucket=bucket, Key=version_key("iris", 1, file), Body=content)
    with pytest.raises(IntegrityError, match="is not the one that iris@dev was pointed at"):
        theirs.tag("iris/1", "dev")
    for key in (*storage.keys("models/iris/tags/"), *storage.keys("models/iris/history/")):
        storage.delete(key)  # without the history nothing says otherwise
    theirs.tag("iris/1", "dev")
    assert theirs.read_model(theirs.resolve("iris@dev")) == data, "the version is consistent"
    with pytest.raises(pulumi.RunError, match="its move 1 is another one now") as refused:
        stack.up()
    # Whoever took that for right still deploys nothing that is not signed.
    stack.config = {**stack.config, "acceptHistory": str(refused.value).rpartition("acceptHistory ")[2].rstrip("`")}
    for signature in (None, Signer.from_pem(generate_key()[0]).sign(manifest)):
        if signature is not None:
            s3.put_object(Bucket=bucket, Key=version_key("iris", 1, SIGNING_FILE), Body=signature)
        with pytest.raises(
            pulumi.RunError, match=r"manifest\.sig of iris/1 is not by a trusted key over this manifest"
        ):
            stack.up()


def test_a_stack_that_trusts_no_key_pays_nothing_for_it() -> None:
    assert not {"cryptography", "cffi", "pycparser"} & set(function_requirements())
