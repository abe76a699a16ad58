"""A running kernel recorded through tracefs.

What it is: machine, btf, layout. What to probe: probes. How: tracing, recorder, parts.
"""
