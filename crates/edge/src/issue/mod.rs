//! `longshore-edge issue`: a certificate for each host, by ACME.
