"""Every table and picture of the results pages, made from the rows in `results/`: `python -m benchmarks.pages`.

`blocks` finds the marked places of a page. `comparisons`, `search` and `speed` make the tables, `picture` the picture,
and `statements` the figures that pages quote in their text. Nothing here measures anything.
"""
