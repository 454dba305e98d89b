"""The command line: it parses, prints and exits; the verbs themselves are functions of the library."""
