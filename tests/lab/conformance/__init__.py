"""Conformance seen from the wire: what the RFCs demand of a BGP speaker (and of BFD), as cases that
a scripted peer plays against any daemon, Herald or another, and judges from outside alone: by the
messages that come back, by what its other peers are told, and by the daemon's own view of a route.

    catalogue   the list of cases, levels and verdicts
    stage       one daemon with two or three calm peers and an address for each case; runs cases
    tables      what a calm peer has been told
    duts        the five daemons behind one face; dut_*.py one each
    cases_*     the cases by subject
    run         `make conformance`: all daemons; writes a JSON file and the matrix of doc/conformance.md

tests/lab/conformance/test_herald.py demands of Herald that every case passes."""
