//! Requests that two readers would read as two different ones.
