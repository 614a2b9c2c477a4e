"""Every write, fsync, rename and commit of a small study, an import, a synthesis and a report, failing in turn."""
