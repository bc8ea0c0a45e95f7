"""Ready-made IAM policies: for each role what its work needs, and nothing else.

`registry` has those of people and programs that work with the registry, `deployer` that of `pulumi up`. Their tests run
each role's work with exactly its policy, where IAM is enforced.
"""

from model_registry.roles.deployer import deployer
from model_registry.roles.document import Policy, Statement
from model_registry.roles.registry import auditor, promoter, publisher, reader

__all__ = ["Policy", "Statement", "auditor", "deployer", "promoter", "publisher", "reader"]
