"""Views of a proof document: the connections it speaks of, their diagram, their matrix, two proofs side by side.

Rule: the document is all it knows. The command's HTML report and the ledger's pages are both made from here, so it
imports neither, and needs nothing but Jinja2.
"""
