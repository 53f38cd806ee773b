"""`gbaseg plan`: what a data set looks like, the numbers of params.yaml that follow from it, and why.

`folders` and `gather` look; `geometry`, `appearance`, `networks` and `effort` decide, without reading anything; `page`
and `writing` say and write it. No label of a target case is read.
"""
