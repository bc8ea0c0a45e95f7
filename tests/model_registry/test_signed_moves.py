"""Moves that a promoter signed, with a file's key or one of KMS."""

from collections.abc import Iterator
from pathlib import Path

import cryptography
import msgspec
import pytest
from obstore.store import MemoryStore
from typer.testing import CliRunner

from infra.settings import SettingsError
from infra.trust import check_promoter
from local import ministack
from local.ministack import LocalAws
from model_registry import Registry, Storage, history
from model_registry.cli import app
from model_registry.folder import open_storage
from model_registry.kms_signing import KmsSigner
from model_registry.records import SEGMENT, Tag, tag_key
from model_registry.reference import TagRef
from model_registry.signed_moves import is_trusted, signed_by
from model_registry.signing import Signer, create_key, generate_key
from model_registry.site.pages import model_page
from model_registry.site.shelf import shelf_of
from model_runtime.errors import SigningError
from model_runtime.manifest import encode
from tests.conftest import new_bucket
from tests.infra.examples import settings
from tests.model_registry.processes import add

PROD = TagRef("iris", "prod")
KEY = Signer.from_pem(generate_key()[0])
OTHER = Signer.from_pem(generate_key()[0])
TRUSTED = (KEY.public_key,)
FOLLOWS = settings(model="iris", tag="prod", trusted_promoters=TRUSTED)


@pytest.fixture
def storage() -> Storage:
    found = Storage(MemoryStore(), "memory")
    for _ in range(2):
        add(found, "iris", b"model")
    return found


def registry(storage: Storage, key: Signer | None = KEY) -> Registry:
    return Registry(storage, actor="the tests", promoter=key)


def head(storage: Storage) -> Tag:
    return registry(storage).tag_of(PROD)


def test_each_kind_of_move_is_signed_and_the_last_one_is_enough_for_a_stack(storage: Storage) -> None:
    promoter = registry(storage)
    promoter.tag("iris/1", "prod")
    promoter.promote("iris", version=2, to_tag="prod")
    promoter.rollback("iris@prod")
    promoter.untag("iris@prod")
    promoter.tag("iris/2", "prod")
    assert promoter.signing_faults("iris@prod", TRUSTED) == []
    check_promoter(FOLLOWS, head(storage))
    for move in promoter.history("iris@prod"):
        assert is_trusted(PROD, move, TRUSTED)
        assert not is_trusted(PROD, move, (OTHER.public_key,))
        assert not is_trusted(TagRef("iris", "dev"), move, TRUSTED), "it is of one tag"
        assert not is_trusted(PROD, msgspec.structs.replace(move, reason="another"), TRUSTED)
        assert not is_trusted(PROD, msgspec.structs.replace(move, signature="é"), TRUSTED)


@pytest.mark.parametrize("key", [None, OTHER], ids=["unsigned", "another key"])
def test_who_only_can_write_to_the_bucket_moves_no_tag_of_a_stack_that_trusts_promoters(
    storage: Storage, key: Signer | None
) -> None:
    """Until the promoter signs what is there."""
    registry(storage).tag("iris/1", "prod")
    registry(storage, key).tag("iris/2", "prod")
    whose = "is not signed" if key is None else f"says that it is signed by {OTHER.public_key}"
    with pytest.raises(SettingsError, match="move 2 of iris@prod, by the tests") as refused:
        check_promoter(FOLLOWS, head(storage))
    assert whose in str(refused.value)
    assert "promote --promoter-key" in str(refused.value)
    check_promoter(settings(model="iris", tag="prod"), head(storage))
    registry(storage).promote("iris", version=2, to_tag="prod")
    registry(storage).promote("iris", version=2, to_tag="prod")
    assert len(head(storage).history) == 3, "what is signed already is not signed again"
    check_promoter(FOLLOWS, head(storage))
    assert registry(storage).signing_faults(PROD, TRUSTED) == [
        "iris@prod: move 2 by the tests is not signed by a trusted promoter"
    ]


def test_a_signature_is_moved_to_no_other_move(storage: Storage) -> None:
    """Somebody edits the last move, which no later one has a digest of, and keeps its signature."""
    registry(storage).tag("iris/1", "prod")
    tag, other = head(storage), registry(storage).resolve("iris/2")
    move = msgspec.structs.replace(tag.history[-1], to_version=2, manifest_sha256=other.manifest_sha256)
    storage.overwrite(tag_key("iris", "prod"), encode(msgspec.structs.replace(tag, version=2, history=(move,))))
    assert registry(storage).resolve("iris@prod").manifest.version == 2, "the object is consistent"
    with pytest.raises(SettingsError, match="says that it is signed by"):
        check_promoter(FOLLOWS, head(storage))


def test_moves_before_the_first_signed_one_need_no_signature_and_sealed_ones_keep_theirs(storage: Storage) -> None:
    registry(storage, None).tag("iris/1", "prod")
    assert registry(storage).signing_faults(PROD, TRUSTED) == ["iris@prod: no move is signed by a trusted promoter"]
    for number in range(2 * SEGMENT):
        registry(storage).tag(f"iris/{1 + (number + 1) % 2}", "prod")
    assert head(storage).sealed == SEGMENT
    assert registry(storage).signing_faults(PROD, TRUSTED) == []
    assert history.departure(registry(storage).moves(head(storage)), 1, "0" * 64) == "its move 1 is another one now"


@pytest.fixture
def kms_aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalAws]:
    """A MiniStack whose KMS makes keys: its own environment lacks cryptography, for functions."""
    packages, given = tmp_path / "packages", ministack._process_environment
    packages.mkdir()
    site = Path(cryptography.__file__).parents[1]
    for pattern in ("cryptography", "cffi", "_cffi_backend*", "pycparser"):
        for path in site.glob(pattern):
            (packages / path.name).symlink_to(path)
    monkeypatch.setattr(
        ministack, "_process_environment", lambda *arguments: {**given(*arguments), "PYTHONPATH": str(packages)}
    )
    with ministack.local_aws(tmp_path / "kms") as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running


def test_a_key_of_kms_signs_moves_and_another_kind_of_key_is_refused(kms_aws: LocalAws) -> None:
    """Its signatures are checked as those of a file's key, without KMS."""
    kms, bucket = kms_aws.client("kms"), new_bucket(kms_aws)
    arns = [
        kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec=spec)["KeyMetadata"]["Arn"]
        for spec in ("ECC_NIST_EDWARDS25519", "ECC_NIST_P256")
    ]
    stored = Storage.open(bucket)
    for _ in range(2):
        add(stored, "iris", b"model")
    done = CliRunner().invoke(app, ["tag", "iris/1", "prod", "-b", bucket, "--by", "me", "--promoter-key", arns[0]])
    assert done.exit_code == 0, done.stderr
    key = KmsSigner(arns[0])
    assert registry(stored).signing_faults(PROD, [key.public_key]) == []
    registry(stored, None).tag("iris/2", "prod")
    check = ["verify", "iris@prod", "--quick", "-b", bucket, "--promoter", key.public_key]
    found = CliRunner().invoke(app, check)
    assert (found.exit_code, found.stdout) == (
        3,
        "iris@prod: move 2 by the tests is not signed by a trusted promoter\n",
    )
    with pytest.raises(SigningError, match="ECC_NIST_EDWARDS25519"):
        KmsSigner(arns[1])
    with pytest.raises(SigningError, match="kms:GetPublicKey"):
        KmsSigner(arns[0].rpartition("/")[0] + "/none")


def test_a_key_s_file_signs_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    public_key = create_key(tmp_path / "promoter.pem")
    (tmp_path / "models").mkdir()
    stored = open_storage("./models")
    add(stored, "iris", b"model")
    monkeypatch.setenv("MODEL_REGISTRY", "./models")
    monkeypatch.setenv("MODEL_REGISTRY_PROMOTER_KEY", "promoter.pem")
    for command in ("tag iris/1 dev", "promote iris --version 1 --to prod", "untag iris@prod"):
        done = CliRunner().invoke(app, command.split())
        assert done.exit_code == 0, done.stderr
    assert CliRunner().invoke(app, ["history", "iris@prod"]).stdout.count(public_key) == 2
    assert [Registry(stored, actor="me").signing_faults(f"iris@{tag}", [public_key]) for tag in ("dev", "prod")] == [
        [],
        [],
    ]


def test_whose_signature_a_move_has_is_shown_and_one_of_somebody_else_is_told(storage: Storage) -> None:
    registry(storage, None).tag("iris/1", "prod")
    registry(storage).promote("iris", version=2, to_tag="prod")
    unsigned, genuine = registry(storage).history("iris@prod")
    assert signed_by(PROD, unsigned) is None
    assert str(signed_by(PROD, genuine)) == KEY.public_key
    for forged in (
        msgspec.structs.replace(genuine, public_key=OTHER.public_key),
        msgspec.structs.replace(genuine, by="somebody else"),
    ):
        assert str(signed_by(PROD, forged)) == f"{forged.public_key}: the signature is not by this key"
    unreadable = signed_by(PROD, msgspec.structs.replace(genuine, public_key="no key"))
    assert unreadable is not None
    assert "not checked, 'no key' is not a public key" in unreadable.fault
    page = model_page(shelf_of(registry(storage), "iris"))
    assert page.count("Signed by ") == 1
    assert f"Signed by {KEY.public_key}" in page
