//! What the outside sees of `web`.
