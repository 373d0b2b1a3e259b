"""Components that are wrong on purpose, each with the check of the kit that must catch it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Fault:
    """A small wrong component, and the name of the check that must fail."""

    name: str
    kind: str
    component: Any
    check: str
    in_shape: tuple[int | None, ...] | None = None

    def __str__(self) -> str:
        return f"{self.kind}-{self.name}"


@dataclass
class Faults:
    """The faults of one kind, collected by a decorator: `@faults("gradient")` above a class."""

    kind: str
    all: list[Fault] = field(default_factory=list)

    def __call__(self, check: str, in_shape: Any = None, **options: Any) -> Callable[[type], type]:
        """Register the class, built with those options, as a fault that `check` must catch."""

        def record(cls: type) -> type:
            made = dataclass(frozen=True)(cls)
            self.all.append(Fault(cls.__name__, self.kind, made(**options), check, in_shape))
            return made

        return record
