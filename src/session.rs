//! The record of a conversation on disk: append-only JSON lines, one a [`crate::conversation::Item`].
