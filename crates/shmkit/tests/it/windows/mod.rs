//! What only Windows has: handles, its rules for files, its access control.

mod files;
mod handles;
mod placement;
mod security;
