"""Sign moves with a key that never leaves AWS KMS: an asymmetric one for SIGN_VERIFY, ECC_NIST_EDWARDS25519."""

from model_runtime.aws import aws_session
from model_runtime.errors import SigningError
from model_runtime.signing import public_key_text

_KEY_BYTES = 32
_ALGORITHM = "ED25519_SHA_512"
"""Ed25519 of RFC 8032 over the message itself. Source: AWS KMS Developer Guide, "Key spec reference"."""


class KmsSigner:
    """Signs with a key of KMS; `public_key` is what others verify with. Needs `kms:GetPublicKey` and `kms:Sign`."""

    def __init__(self, key_arn: str, *, profile: str | None = None) -> None:
        """Ask KMS for the key's public half; SigningError where it cannot be had, or is of another kind."""
        from botocore.exceptions import BotoCoreError, ClientError

        self._key_arn, self._refusals = key_arn, (BotoCoreError, ClientError)
        # An ARN has the region: arn:PARTITION:kms:REGION:ACCOUNT:key/ID.
        region = key_arn.split(":")[3] if key_arn.count(":") > 3 else None  # noqa: PLR2004  # as the comment says
        self._client = aws_session(profile).client("kms", region_name=region)
        try:
            found = self._client.get_public_key(KeyId=key_arn)
        except self._refusals as error:
            raise SigningError(
                f"KMS does not give the public key of {key_arn} ({error}): use credentials that may kms:GetPublicKey "
                "and kms:Sign, and a key of SIGN_VERIFY"
            ) from error
        if _ALGORITHM not in found.get("SigningAlgorithms", ()):
            raise SigningError(
                f"{key_arn} is a key for {', '.join(found.get('SigningAlgorithms', ())) or 'no signing'}: make one by "
                "`aws kms create-key --key-usage SIGN_VERIFY --key-spec ECC_NIST_EDWARDS25519`"
            )
        # SubjectPublicKeyInfo of an ed25519 key ends with the key itself: RFC 8410, section 4.
        self.public_key = public_key_text(found["PublicKey"][-_KEY_BYTES:])

    def sign_message(self, data: bytes) -> bytes:
        """The ed25519 signature of these bytes; SigningError where KMS refuses."""
        try:
            signature: bytes = self._client.sign(
                KeyId=self._key_arn, Message=data, MessageType="RAW", SigningAlgorithm=_ALGORITHM
            )["Signature"]
        except self._refusals as error:
            raise SigningError(
                f"KMS does not sign with {self._key_arn} ({error}): use credentials that may kms:Sign"
            ) from error
        return signature
