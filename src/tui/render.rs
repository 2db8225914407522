//! From text to styled rows: what is drawn, whatever the place it is drawn in.

pub(super) mod ansi;
pub(super) mod clusters;
pub(super) mod diff;
pub(super) mod glyphs;
pub(super) mod markdown;
pub(super) mod paint;
pub(super) mod plain;
pub(super) mod preview;
pub(super) mod syntax;
pub(super) mod wrap;
