"""From a study's record to what people read. No torch, no MLflow: a record goes in, a dict of numbers comes out of
`compare`, and everything else is made from that dict alone, so that terminal, page and files cannot disagree.

| module | gives |
| --- | --- |
| `kept` | what finals kept of every frame |
| `arms`, `pairs`, `details` | the numbers of an arm, of every two, of phonemes and confusions against the baseline |
| `claims` | the answers to the claims of the file, in the words of `claim_words` |
| `compare` | `compare(record)`: the numbers, once; the contract of `comparison.json` |
| `joining`, `caveats` | several studies, or runs, as one record; what was not the same for all |
| `disagreements`, `disagreement_table` | where of two arms one is right and the other wrong |
| `wording` | how a number is said, alike everywhere |
| `tables`, `narrow` | the tables that all forms have; tables cut to 80 columns |
| `pasted`, `markdown`, `latex` | the report in short, to paste |
| `terminal`, `terminal_all` | `blocks(comparison)`: headings, lines and tables for `harness.screen`; the long ones |
| `figures` | what the page's figures share; the only importer of plotly |
| `markup` | tables and other pieces of HTML |
| `verdicts` | the page's top: question and verdicts |
| `sections` | the page's sections, a module each: its figures, tables and words |
| `html` | `page(comparison)`: one self-contained page, from `page.html`, `page.css` and `page.js` |
| `files` | `write(comparison, folder)`: the JSON, the CSVs and the page |
"""
