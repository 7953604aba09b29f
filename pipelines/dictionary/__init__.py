"""The data dictionary: what every form, column, code, rule, measure and KPI means, made from where it is defined.

Put here: reading the KPI catalogue beside the contracts, and how both become pages (Markdown under
``docs/dictionary``) and tables (in a release). Do not put here: a definition of any of them. Forms, columns, codes and
rules are their contracts' (``expectations/``), KPIs and measures their seeds' (``dbt_project/seeds``); a page that says
something which stands in neither would be a second definition.

The same contracts and seeds give the same bytes. Usual entry points:
:func:`pipelines.dictionary.content.read_dictionary`, :func:`pipelines.dictionary.pages.pages`,
:func:`pipelines.dictionary.tables.tables`.
"""

from __future__ import annotations
