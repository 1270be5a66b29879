//! The certificates of hosts: which Secret holds them, and whether one is good.
