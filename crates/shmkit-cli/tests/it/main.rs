//! The real `shmkit` command, run as users run it.

#![cfg(target_os = "linux")]

mod contents;
mod doctor;
mod examples;
mod help;
mod keys;
mod listing;
mod locking;
mod looking;
mod rendezvous;
mod segments;
mod serve;
mod support;
mod top;
mod typed;
mod watching;
