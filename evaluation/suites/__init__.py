"""Suites that come with talkbench, one topic a file.

A published suite never changes: another dataset, setting, choice or card makes a new version
(``tests/evaluation/test_suites.py`` holds the record).
"""
