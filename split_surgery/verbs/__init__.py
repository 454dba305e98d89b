"""One module a verb, of its own name: the function of the library, and the report that it returns.

In: paths and options, with the words of the command line. Out: a frozen report that knows itself as plain data and as tables.
Law: a verb opens files, hands them to the stages, and finishes; it decides nothing that a stage can decide.
Raises: SurgeryError, with the exit code that the command line gives.
Must not know: click, terminals, and exit.
"""
