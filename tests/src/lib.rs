//! Scenarios and real clients. The tests themselves are in `tests/tests/`.
