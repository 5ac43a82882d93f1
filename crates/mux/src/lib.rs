//! The front door on 1533: detect, secure, hand over, count.
