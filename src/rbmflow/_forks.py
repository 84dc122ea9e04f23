"""Forks: a process that was forked from one that computes with JAX would wait for ever, and is told so instead."""

import os

import jax

_ADVICE = (
    "this process was forked from one that computes with JAX, whose threads it lacks, so it would wait for ever; "
    "start processes with multiprocessing.get_context('spawn')"
)

_computing: int | None = None
"""The process in which JAX has first traced something."""


def refuse() -> None:
    """Have forks of this process raise `RuntimeError` at their first use of JAX, once it computes here."""
    jax.monitoring.register_event_duration_secs_listener(_notice)
    # JAX tells nothing of a call that it has compiled before.
    os.register_at_fork(after_in_child=_forget_compiled)


def _notice(event: str, duration_secs: float, **_: object) -> None:
    global _computing
    if _computing is None:
        _computing = os.getpid()
    elif _computing != os.getpid():
        raise RuntimeError(_ADVICE)


def _forget_compiled() -> None:
    if _computing is not None:
        jax.clear_caches()
