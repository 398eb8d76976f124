"""Advice: a strategy and its options, from a table that can be read and measurements on the data."""

from medgraft.advice.facts import Curve, Facts, Machine
from medgraft.advice.recommend import Advice, Reason, options_of, recommend
from medgraft.advice.table import Table, read_table

__all__ = ["Advice", "Curve", "Facts", "Machine", "Reason", "Table", "options_of", "read_table", "recommend"]
