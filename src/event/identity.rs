//! `userIdentity`: who called, with what credentials, and through which service.
