"""What people read of a comparison: terminal, page, what is pasted, and files, all made from it alone.

A section is written once, in `harness.report.sections`, as blocks of `harness.display.document`; `outline` (terminal),
`page` and `paste` say which of them stand where, and render them. No torch, no MLflow.
"""
