"""What `engine.validate` looks at in a document, one module per question; each adds problems and changes nothing."""
