"""The command line: it parses, prints and exits; the verbs themselves are functions of the library.

In: words of a shell. Out: text, JSON or CSV on stdout, progress and messages on stderr, and an exit code.
Law: results go to stdout and nothing else does; every option is the library's own.
Raises: nothing: an error becomes one message and its exit code.
Must not know: files, nets and numbers: it sees only what reports say.
"""
