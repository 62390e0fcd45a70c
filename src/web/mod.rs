//! The pages and routes that serve answers: thin, over the rooms.
