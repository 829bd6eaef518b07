"""One module per node type, found by its name: its fields, and what it does when it is entered.

A module has FIELDS (name → Field), `parse(fields) -> Spec` for a node that validated, and
`enter(node, view) -> Outcome`, which may raise NodeFailure. It may have SHAPE, the brackets that diagrams draw it in;
CALLABLE, the types that its `targets` may be of; EXITS, handles that it may leave by beside the one for failures, each
with the field that it needs; and for validation, of fields that are each of the right type:

- `texts(fields)`: templates, expressions, paths and names of state keys;
- `handles(fields)`: the edges it may choose to leave by, `together(fields)`: those it may choose at once, and
  `leads(fields)`: where it says that they lead;
- `targets(fields)`: the nodes it runs as calls;
- `given(fields)`: what is known of the values it writes;
- `flaws(fields)`: what is wrong with the fields taken together.
"""
