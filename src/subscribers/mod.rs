//! Join, confirm, prefer, leave, consent, tokens, import.
