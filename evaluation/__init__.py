"""The harness: suites, videos, records, statistics, reports. Knows generators by name only."""
