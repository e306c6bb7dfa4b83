//! Typed segments: one initialiser among all who race, whatever dies; and headers that are wrong.

mod birth;
mod dynamic;
mod golden;
mod hostile;
mod in_place;
mod open;
#[cfg(unix)]
mod open_unix;
#[cfg(unix)]
mod orphans;
