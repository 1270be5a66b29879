//! What changes while HAProxy runs.
