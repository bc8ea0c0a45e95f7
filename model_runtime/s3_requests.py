"""What boto3 asks S3 for, as obstore cannot: uploads in parts under a condition, and whose a bucket is."""

from functools import cached_property
from http import HTTPStatus
from typing import Any

from model_runtime.aws import BucketAddress, Service
from model_runtime.errors import TakenError, UploadError

_SILENCE = 120
"""Seconds that a service may take to answer a whole part of an upload; far more than it takes."""
_TRIES = 6
_TAKEN = {"PreconditionFailed", "ConditionalRequestConflict"}


class S3Requests:
    """Asks a service; each request says whose the bucket must be, where that is known."""

    def __init__(self, session: Any, address: BucketAddress, service: Service) -> None:
        """Use a boto3 session, when something is asked for: most commands do not."""
        self._session, self.address, self.service = session, address, service

    @cached_property
    def client(self) -> Any:
        """The client of boto3."""
        from botocore.config import Config

        return self._session.client(
            "s3",
            endpoint_url=self.service.endpoint,
            verify=self.service.certificates,
            config=Config(
                connect_timeout=5,
                read_timeout=_SILENCE,
                retries={"mode": "standard", "total_max_attempts": _TRIES},
                # As trailers, which other services than Amazon's may not know.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={"addressing_style": "virtual" if self.service.is_virtual else "path"},
            ),
        )

    def ask(self, operation: str, *, of: BucketAddress | None = None, **arguments: Any) -> Any:
        """Do an operation on the bucket, or as if it was `of` somebody else.

        Raises:
            TakenError: a condition does not hold.
            UploadError: the service refused it, or did not answer.

        """
        from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: A004  # its name there

        try:
            return getattr(self.client, operation)(**(of or self.address).asked, **arguments)
        except ClientError as error:
            said = error.response.get("Error", {})
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            kind = TakenError if said.get("Code") in _TAKEN or status == HTTPStatus.PRECONDITION_FAILED else UploadError
            failed = kind(
                f"{status} {_phrase(status)}: <Code>{said.get('Code')}</Code><Message>{said.get('Message')}</Message>"
            )
        except (ConnectionError, HTTPClientError) as error:
            failed = UploadError(str(error))
        raise failed  # not from botocore's: what comes from there is taken for a problem of credentials


def _phrase(status: int | None) -> str:
    return HTTPStatus(status).phrase if status and status in set(HTTPStatus) else ""
