//! From socket to clean byte stream: accept, limits, first-byte detection, TLS, drain.
