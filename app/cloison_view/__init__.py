"""The view of a proof: one summary of its flows, and the HTML that is made from it.

Input: a proof or a plan document. Output: `summary.Summary`; a diagram, a matrix, the evidence, a page, a difference.
Rule: the package imports neither the command nor the ledger, and both import it, so the reports of the command and the
pages of the ledger show the same numbers. It needs only Jinja2. See docs/adr/0008-where-the-view-of-a-proof-lives.md.
"""
