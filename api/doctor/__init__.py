"""What `clew doctor` looks at: the machine, the database, the folder of workflows and the server, one module each."""
