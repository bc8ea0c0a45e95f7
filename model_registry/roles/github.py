"""Who may take a role from GitHub Actions, without a key: jobs of one repository, and of it those of one kind.

Source: GitHub Docs, "Configuring OpenID Connect in Amazon Web Services"; for the subjects "OpenID Connect reference".
"""

import re

from model_registry.roles.document import Policy
from model_runtime.errors import InvalidNameError

PROVIDER = "token.actions.githubusercontent.com"
PULL_REQUEST = "pull_request"


def environment(name: str) -> str:
    """The end of the subject of jobs in this environment, which its reviewers have approved."""
    if not re.fullmatch(r"[\w. -]{1,255}", name):
        raise InvalidNameError(f"{name!r} is not an environment: take letters, digits, spaces and ._-")
    return f"environment:{name}"


def github_trust(repository: str, subject: str, *, account: str, partition: str = "aws") -> Policy:
    """The trust policy of a role of this account for jobs of a repository.

    Args:
        repository: `OWNER/NAME`.
        subject: `PULL_REQUEST`, or that of an `environment`. Neither has a wildcard: any branch or tag would fit one.
        account: The account's number.
        partition: The account's.

    Raises:
        InvalidNameError: The repository or account is not one.

    """
    if not re.fullmatch(r"[A-Za-z0-9-]{1,39}/[\w.-]{1,100}", repository):
        raise InvalidNameError(f"{repository!r} is not a repository of GitHub: give OWNER/NAME")
    if not re.fullmatch(r"[0-9]{12}", account):
        raise InvalidNameError(f"{account!r} is not an account: give its 12 digits")
    claims = {f"{PROVIDER}:aud": "sts.amazonaws.com", f"{PROVIDER}:sub": f"repo:{repository}:{subject}"}
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": f"arn:{partition}:iam::{account}:oidc-provider/{PROVIDER}"},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {"StringEquals": claims},
            }
        ],
    }
