"""Whoever can write to the bucket and has no key cannot make a version that is trusted."""

import base64
import json
import shlex
import stat
import subprocess
import sys
from base64 import b64encode
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from sklearn.naive_bayes import GaussianNB

from local.ministack import LocalAws
from model_registry import Registry, Release, Storage
from model_registry.reference import VersionRef
from model_registry.signing import Signer, create_key, generate_key
from model_registry.versions import Versions
from model_runtime.errors import ConflictError, FileError, RegistryError, SigningError
from model_runtime.manifest import GOLDEN_FILE, MANIFEST_FILE, MODEL_FILE, SBOM_FILE, digest, encode, version_key
from model_runtime.signing import (
    SIGNING_FILE,
    ManifestSigning,
    parse_public_keys,
    public_key_bytes,
    public_key_text,
    verify,
)
from tests.conftest import ACTOR, new_bucket

X = np.arange(12.0).reshape(6, 2)
ESTIMATOR = GaussianNB().fit(X, [0, 0, 0, 1, 1, 1])
MANIFEST_1, SIGNATURE_1 = (version_key("iris", 1, file) for file in (MANIFEST_FILE, SIGNING_FILE))


def new_signer() -> Signer:
    return Signer.from_pem(generate_key()[0])


@pytest.fixture(scope="module")
def signer() -> Signer:
    return new_signer()


@pytest.fixture
def signing(storage: Storage, signer: Signer) -> Registry:
    """Publishes signed versions."""
    return Registry(storage, actor=ACTOR, signer=signer)


@pytest.fixture
def careful(storage: Storage, signer: Signer) -> Registry:
    """Believes signed versions only."""
    return Registry(storage, actor=ACTOR, trusted_keys=[signer.public_key])


def publish(registry: Registry, **more: Any) -> Release:
    return registry.publish(ESTIMATOR, name="iris", X_example=X, **more)


def content(storage: Storage, key: str) -> bytes:
    stored = storage.read(key)
    assert stored is not None
    return stored.data


def put(aws: LocalAws, storage: Storage, key: str, data: bytes) -> None:
    """What somebody does who can write to the bucket."""
    aws.client("s3").put_object(Bucket=storage.location.removeprefix("s3://"), Key=key, Body=data)


def record(signature: bytes) -> ManifestSigning:
    return msgspec.json.decode(signature, type=ManifestSigning)


SMALL_ORDER = {
    "00" * 32: "0, of order 4",
    "01" + "00" * 31: "1, the neutral point",
    "ec" + "ff" * 30 + "7f": "-1, of order 2",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05": "of order 8",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a": "the other of order 8",
    "ed" + "ff" * 30 + "7f": "0, not reduced",
    "ee" + "ff" * 30 + "7f": "1, not reduced",
}


def test_a_key_for_which_everybody_can_sign_is_refused(signer: Signer) -> None:
    """The neutral point as a key takes this constant signature for any message: cryptography says that it fits."""
    forged = bytes([1, *[0] * 63])
    ed25519.Ed25519PublicKey.from_public_bytes(bytes([1, *[0] * 31])).verify(forged, b"any message")
    for point in SMALL_ORDER:
        for raw in (bytes.fromhex(point), bytes.fromhex(point[:-2] + f"{int(point[-2:], 16) | 0x80:02x}")):
            with pytest.raises(SigningError, match=r"of small order, .*: trust a key that `keygen` made"):
                parse_public_keys(public_key_text(raw))
            record = encode(ManifestSigning(public_key=public_key_text(raw), signature=b64encode(forged).decode()))
            with pytest.raises(SigningError, match="small order"):
                verify(b"{}", record, [public_key_text(raw)], what="iris/1")
    assert parse_public_keys(signer.public_key) == (signer.public_key,)


# -- keys ----------------------------------------------------------------------------------------------------


def test_a_key_file_is_read_by_its_owner_only_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    public_key = create_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Signer.from_file(path).public_key == public_key
    before = path.read_bytes()
    with pytest.raises(FileError, match="exists already and is not overwritten: give another file"):
        create_key(path)
    assert path.read_bytes() == before
    with pytest.raises(FileError, match="cannot write"):
        create_key(tmp_path / "no-folder" / "key.pem")


def test_a_public_key_is_one_short_word() -> None:
    pem, public_key = generate_key()
    assert len(public_key) == len("ed25519:") + 44
    key = serialization.load_pem_private_key(pem, None)
    assert isinstance(key, ed25519.Ed25519PrivateKey)
    assert public_key_bytes(public_key) == key.public_key().public_bytes_raw()
    assert public_key_text(public_key_bytes(public_key)) == public_key


def test_a_key_with_a_passphrase_needs_it(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    public_key = create_key(path, "correct horse")
    assert b"ENCRYPTED" in path.read_bytes()
    assert Signer.from_file(path, "correct horse").public_key == public_key
    for passphrase in (None, "wrong"):
        with pytest.raises(SigningError, match="cannot be used") as caught:
            Signer.from_file(path, passphrase)
        assert str(path) in str(caught.value)
    with pytest.raises(SigningError, match="the passphrase is empty"):
        generate_key("")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes of files")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o777])
def test_a_key_file_that_others_may_use_is_refused_with_the_command_that_mends_it(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "my key.pem"
    public_key = create_key(path)
    path.chmod(mode)
    with pytest.raises(SigningError, match=rf"others .* \(mode {mode:04o}\): run `(chmod 600 [^`]*)`") as caught:
        Signer.from_file(path)
    subprocess.run(shlex.split(str(caught.value).split("`")[1]), check=True)
    assert Signer.from_file(path).public_key == public_key


def test_what_is_no_ed25519_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    with pytest.raises(FileError, match="cannot read the signing key"):
        Signer.from_file(path)
    path.touch(mode=0o600)
    path.write_bytes(b"no key")
    with pytest.raises(SigningError, match="give an ed25519 private key in PEM"):
        Signer.from_file(path)
    other = ec.generate_private_key(ec.SECP256R1())
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    path.write_bytes(other.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain))
    with pytest.raises(SigningError, match="is another kind of key"):
        Signer.from_file(path)


@pytest.mark.parametrize(
    "text",
    ["", " ", "ed25519:", "ed25519:AAAA", "rsa:" + "A" * 44, "ed25519:" + "é" * 44, "ed25519:" + "A" * 44 + ",", ","],
)
def test_a_public_key_that_is_not_well_formed_is_refused(text: str, storage: Storage) -> None:
    with pytest.raises(SigningError, match="is not a public key: write ed25519:BASE64"):
        parse_public_keys(text)
    with pytest.raises(SigningError):
        Registry(storage, actor=ACTOR, trusted_keys=[text])


def test_a_private_key_that_is_given_as_public_one_is_not_repeated() -> None:
    pem = generate_key()[0].decode()
    with pytest.raises(SigningError) as caught:
        parse_public_keys(pem)
    assert pem.splitlines()[1] not in str(caught.value)


def test_without_cryptography_the_message_says_how_to_install_it(
    signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    signature = signer.sign(b"manifest")
    for name in [name for name in sys.modules if name.partition(".")[0] == "cryptography"]:
        monkeypatch.setitem(sys.modules, name, None)
    for use in (generate_key, lambda: verify(b"manifest", signature, [signer.public_key], what="iris/1")):
        with pytest.raises(SigningError, match=r"pip install 'sklearn-on-lambda\[signing\]'"):
            use()


# -- publish and read ----------------------------------------------------------------------------------------


def test_a_signed_version_is_resolved_by_who_trusts_the_key(
    signing: Registry, careful: Registry, registry: Registry
) -> None:
    release = publish(signing)
    signing.tag("iris/1", "prod")
    assert careful.resolve("iris@prod") == careful.resolve("iris/1") == registry.resolve("iris/1") == release


def test_the_signature_is_a_record_of_the_exact_bytes(signing: Registry, storage: Storage, signer: Signer) -> None:
    """A reader with any S3 client and any ed25519 library can check it."""
    release = publish(signing)
    found = json.loads(content(storage, SIGNATURE_1))
    assert set(found) == {"format", "algorithm", "public_key", "signature"}
    assert (found["format"], found["algorithm"], found["public_key"]) == (1, "ed25519", signer.public_key)
    key = ed25519.Ed25519PublicKey.from_public_bytes(base64.b64decode(signer.public_key.removeprefix("ed25519:")))
    key.verify(base64.b64decode(found["signature"]), b"sklearn-on-lambda manifest 1\n" + release.manifest_bytes)


def test_a_committed_version_never_waits_for_its_signature(
    signing: Registry, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    create = Storage.create

    def noted(self: Storage, key: str, data: bytes, *, token: str | None = None) -> None:
        written.append(key.rpartition("/")[2])
        create(self, key, data, token=token)

    monkeypatch.setattr(Storage, "create", noted)
    publish(signing)
    assert written == ["counter.json", MODEL_FILE, GOLDEN_FILE, SBOM_FILE, SIGNING_FILE, MANIFEST_FILE]
    assert storage.read(MANIFEST_1) is not None


def test_an_unsigned_version_is_refused_with_the_remedy(registry: Registry, careful: Registry) -> None:
    publish(registry)
    registry.tag("iris/1", "prod")
    for address in ("iris/1", "iris@prod"):
        with pytest.raises(SigningError) as caught:
            careful.resolve(address)
        assert str(caught.value) == (
            "the manifest of iris/1 is not signed, and must be here: publish the model again with the signing key"
        )
    assert issubclass(SigningError, RegistryError)
    with pytest.raises(SigningError):
        careful.tag("iris/1", "prod")


def test_no_tag_is_rolled_back_to_a_version_that_is_not_trusted(
    registry: Registry, signing: Registry, careful: Registry
) -> None:
    publish(registry)
    publish(signing)
    registry.tag("iris/1", "prod")
    registry.tag("iris/2", "prod")
    with pytest.raises(SigningError, match="iris/1 is not signed"):
        careful.rollback("iris@prod")
    assert registry.tag_of("iris@prod").version == 2


def test_each_of_several_trusted_keys_is_enough(storage: Storage) -> None:
    """So a key can be replaced without a moment in which nothing is trusted."""
    old, new, stranger = new_signer(), new_signer(), new_signer()
    for one in (old, new, stranger):
        publish(Registry(storage, actor=ACTOR, signer=one))
    both = Registry(storage, actor=ACTOR, trusted_keys=[old.public_key, new.public_key])
    assert [both.resolve(f"iris/{number}").manifest.version for number in (1, 2)] == [1, 2]
    with pytest.raises(SigningError, match="is not by a trusted key") as caught:
        both.resolve("iris/3")
    assert all(one.public_key in str(caught.value) for one in (old, new, stranger))


def test_a_changed_manifest_is_refused_even_where_all_digests_fit(
    aws: LocalAws, signing: Registry, careful: Registry, registry: Registry, storage: Storage
) -> None:
    release = publish(signing)
    data = b"other"
    artifact = msgspec.structs.replace(release.manifest.artifact, sha256=digest(data), size=len(data))
    put(aws, storage, version_key("iris", 1, MODEL_FILE), data)
    put(aws, storage, MANIFEST_1, encode(msgspec.structs.replace(release.manifest, artifact=artifact)))
    assert registry.read_model(registry.resolve("iris/1")) == data
    with pytest.raises(SigningError, match="not by a trusted key over this manifest"):
        careful.resolve("iris/1")


def test_a_signature_that_the_attacker_made_is_refused(
    aws: LocalAws, signing: Registry, careful: Registry, storage: Storage, signer: Signer
) -> None:
    """Also one that says that it is by the trusted key."""
    release = publish(signing)
    theirs = new_signer().sign(release.manifest_bytes)
    for forged in (theirs, encode(msgspec.structs.replace(record(theirs), public_key=signer.public_key))):
        put(aws, storage, SIGNATURE_1, forged)
        with pytest.raises(SigningError, match="not by a trusted key"):
            careful.resolve("iris/1")


def test_a_signature_of_another_version_is_refused(
    aws: LocalAws, signing: Registry, careful: Registry, storage: Storage
) -> None:
    """Replay: neither the signature alone nor with its manifest makes an old version a new one."""
    publish(signing)
    publish(signing)
    manifest_2, signature_2 = (version_key("iris", 2, file) for file in (MANIFEST_FILE, SIGNING_FILE))
    put(aws, storage, signature_2, content(storage, SIGNATURE_1))
    with pytest.raises(SigningError, match="not by a trusted key"):
        careful.resolve("iris/2")
    put(aws, storage, manifest_2, content(storage, MANIFEST_1))
    with pytest.raises(RegistryError, match="the manifest of iris/2 says that it is iris/1"):
        careful.resolve("iris/2")


def test_the_bare_signature_of_the_same_bytes_for_another_purpose_is_refused(signer: Signer) -> None:
    """What the key signed elsewhere, without this project's prefix, is not taken for a manifest's signature."""
    bare = base64.b64encode(signer._key.sign(b"manifest")).decode()
    forged = encode(ManifestSigning(public_key=signer.public_key, signature=bare))
    with pytest.raises(SigningError):
        verify(b"manifest", forged, [signer.public_key], what="iris/1")
    verify(b"manifest", signer.sign(b"manifest"), [signer.public_key], what="iris/1")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"signature": ""}, "not by a trusted key"),
        ({"signature": "AAAA"}, "not by a trusted key"),
        ({"signature": "A" * 86 + "=="}, "not by a trusted key"),
        ({"signature": "A" * 85}, "is not base64"),
        ({"signature": "é"}, "is not base64"),
        ({"signature": None}, "cannot be read"),
        ({"algorithm": "none"}, "cannot be read"),
        ({"format": 2}, "has format 2, this release reads 1: use the release that wrote it"),
    ],
    ids=str,
)
def test_a_crafted_record_is_refused(change: dict[str, Any], message: str, signer: Signer) -> None:
    forged = json.dumps({**json.loads(signer.sign(b"manifest")), **change}).encode()
    with pytest.raises(SigningError, match=message):
        verify(b"manifest", forged, [signer.public_key], what="iris/1")


def test_a_signature_that_was_cut_or_changed_anywhere_is_refused(signer: Signer) -> None:
    whole = signer.sign(b"manifest")
    value = record(whole).signature
    for end in range(len(value)):
        cut = encode(ManifestSigning(public_key=signer.public_key, signature=value[:end]))
        with pytest.raises(SigningError):
            verify(b"manifest", cut, [signer.public_key], what="iris/1")
    for data in (b"", b"null", b"[]", whole[:-3], b"\xff"):
        with pytest.raises(SigningError, match=r"manifest\.sig of iris/1 cannot be read"):
            verify(b"manifest", data, [signer.public_key], what="iris/1")
    for manifest in (b"", b"manifest ", b"Manifest"):
        with pytest.raises(SigningError):
            verify(manifest, whole, [signer.public_key], what="iris/1")


def test_without_any_trusted_key_nothing_is_verified(signer: Signer) -> None:
    with pytest.raises(SigningError, match="trusted: none"):
        verify(b"manifest", signer.sign(b"manifest"), [], what="iris/1")


# -- copies and housekeeping ---------------------------------------------------------------------------------


def test_a_copy_carries_the_signature(aws: LocalAws, signing: Registry, signer: Signer, storage: Storage) -> None:
    release = publish(signing)
    there = Storage.open(new_bucket(aws))
    target = Registry(there, actor=ACTOR, trusted_keys=[signer.public_key])
    for _ in range(2):
        signing.copy("iris/1", target)
        assert target.resolve("iris/1") == release
        assert content(there, SIGNATURE_1) == content(storage, SIGNATURE_1)


def test_a_copy_puts_no_signature_beside_another_manifest(aws: LocalAws, signing: Registry) -> None:
    """The same model may be there under the same number, published by somebody else."""
    release = publish(signing)
    there = Storage.open(new_bucket(aws))
    publish(Registry(there, actor="somebody else"), model_bytes=signing.read_model(release))
    with pytest.raises(ConflictError, match="iris/1 is another model in"):
        signing.copy("iris/1", Registry(there, actor=ACTOR))
    assert there.read(SIGNATURE_1) is None


def test_a_copy_that_was_cut_off_before_or_after_the_signature_is_finished(
    aws: LocalAws, signing: Registry, signer: Signer, storage: Storage
) -> None:
    publish(signing)
    files = [version_key("iris", 1, file) for file in (MODEL_FILE, SIGNING_FILE)]
    for written in (files[:1], files):
        there = Storage.open(new_bucket(aws))
        for key in written:
            there.create(key, content(storage, key), token=f"copy-{digest(content(storage, MANIFEST_1))}")
        target = Registry(there, actor=ACTOR, trusted_keys=[signer.public_key])
        signing.copy("iris/1", target)
        assert target.resolve("iris/1").manifest.version == 1


def test_a_deleted_or_cut_off_version_leaves_no_signature(
    signing: Registry, storage: Storage, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(signing)
    signing.delete(VersionRef("iris", 1), reason="test")
    assert storage.read(SIGNATURE_1) is None

    create = Storage.create

    def cut_off(self: Storage, key: str, data: bytes, *, token: str | None = None) -> None:
        if key.endswith(MANIFEST_FILE):
            raise ConnectionError
        create(self, key, data, token=token)

    with monkeypatch.context() as patch:
        patch.setattr(Storage, "create", cut_off)
        with pytest.raises(ConnectionError):
            Versions(storage).add("iris", b"model", lambda _: publish_nothing(), sign=signer.sign)
    signature_2 = version_key("iris", 2, SIGNING_FILE)
    assert storage.read(signature_2) is not None
    assert [str(ref) for ref in signing.gc(older_than=timedelta(0))] == ["iris/2"]
    assert storage.read(signature_2) is None


def publish_nothing() -> Any:
    """A record in place of a manifest that is never written."""
    return ManifestSigning(public_key="", signature="")
