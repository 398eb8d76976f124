"""Advice: a strategy and its options, from a table that can be read and measurements on the data."""

from medgraft.advice.facts import Curve, Facts, Machine, Measured
from medgraft.advice.recommend import Advice, Reason, recommend
from medgraft.advice.table import Table, read_table

__all__ = ["Advice", "Curve", "Facts", "Machine", "Measured", "Reason", "Table", "read_table", "recommend"]
