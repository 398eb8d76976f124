"""How options are written in YAML and on the command line, read into what a recipe holds."""

from __future__ import annotations

from typing import Any

from medgraft.policy import POLICIES


def read_augment(value: Any) -> Any:
    """A policy's name stands for its values; a mapping may start from one by the key ``policy``."""
    if isinstance(value, str):
        value = {"policy": value}
    if isinstance(value, dict):
        value = dict(value)
        name = value.pop("policy", "none")
        if not isinstance(name, str) or name not in POLICIES:
            raise ValueError(f"no policy {name!r}; there are {', '.join(POLICIES)}")
        return POLICIES[name].model_dump() | value
    return value


def read_numbers(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) else value


def read_shares(value: Any) -> Any:
    shares = read_numbers(value)
    if isinstance(shares, list | tuple) and len(shares) != 3:
        raise ValueError("three shares are wanted, of train, val and test, for example 0.7,0.15,0.15")
    return shares


def read_names(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def read_mask_values(value: Any) -> Any:
    """Read ``0=background,255=lesion`` (also ``0-127=background``) as a mapping of values to names."""
    if isinstance(value, str):
        pairs = [part.partition("=") for part in value.replace(" ", ",").split(",") if part]
        if not pairs or any(not key or not name for key, _, name in pairs):
            raise ValueError("write it as VALUE=NAME,VALUE=NAME, for example 0=background,255=lesion")
        values = {key: name for key, _, name in pairs}
        if len(values) < len(pairs):
            raise ValueError("a value has two names")
        return values
    return {str(key): name for key, name in value.items()} if isinstance(value, dict) else value
