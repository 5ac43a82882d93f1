//! The client half of a connection.
