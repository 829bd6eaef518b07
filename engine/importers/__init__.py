"""One module per foreign format, found by its name: how its documents become documents of Clew's language.

A module has TITLE, the name of the system; CONSTRUCTS, what there is in its documents and what becomes of it;
`recognises(document)`, whether an object looks like one of its documents; and `convert(document, notes)`, the Clew
document. That takes any JSON object: what it cannot read it leaves out, and notes. It decides only, and raises nothing.
"""
