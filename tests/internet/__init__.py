"""A simulated internet for tests: DNS, mail hosts and web hosts in a network namespace. Manual: docs/internet.md."""
from .launcher import Internet, NoNamespaces
from .peers import CannotRun
from .scenario import ScenarioError

__all__ = ["CannotRun", "Internet", "NoNamespaces", "ScenarioError"]
