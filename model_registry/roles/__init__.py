"""Ready-made IAM policies: for each role what its work needs, and nothing else.

`registry` has those of people and programs that work with the registry, `deployer` those of `pulumi up` and `pulumi
preview`, `scope` chooses among them. Their tests run each role's work with exactly its policy, where IAM is enforced.
`github` has who may take them.
"""

from model_registry.roles.deployer import deployer, previewer
from model_registry.roles.document import Policy, Statement
from model_registry.roles.github import github_trust
from model_registry.roles.registry import auditor, promoter, publisher, reader, verifier
from model_registry.roles.scope import Role, Scope, policy_of

__all__ = [
    "Policy",
    "Role",
    "Scope",
    "Statement",
    "auditor",
    "deployer",
    "github_trust",
    "policy_of",
    "previewer",
    "promoter",
    "publisher",
    "reader",
    "verifier",
]
