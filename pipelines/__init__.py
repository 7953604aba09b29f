"""Xiaobao (消保数仓): consumer-protection filings of a bureau's insurers in, regulator KPIs out.

The package has one room per stage of a filing's way (contracts, intake, validation, filing, warehouse,
publication), orchestration around them and the command line in front. Nothing is defined in this module itself:
importing it must stay free, because every start of the command line pays for it.
"""

from __future__ import annotations
