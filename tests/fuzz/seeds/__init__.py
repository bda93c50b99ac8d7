"""Whole files, made by code, which are then damaged."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Seed:
    """A file's bytes; `whole`: whether its reader has to accept it as it is."""

    name: str
    data: bytes
    whole: bool = True
