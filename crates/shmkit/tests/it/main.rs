//! The integration tests of shmkit, in one binary: real processes, real crashes, real Qt.
#![allow(clippy::print_stdout, reason = "a test that cannot run here says why")]

#[cfg(feature = "async")]
mod asynchronous;
#[cfg(target_os = "linux")]
mod bad_input;
mod conformance;
mod crash;
#[cfg(target_os = "linux")]
mod extent;
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod fork;
mod format;
#[cfg(target_os = "linux")]
mod handover;
#[cfg(target_os = "linux")]
mod inspect;
#[cfg(target_os = "linux")]
mod interrupt;
mod other_build;
#[cfg(target_os = "linux")]
mod placement;
#[cfg(target_os = "linux")]
mod places;
#[cfg(target_os = "linux")]
mod qt_face;
#[cfg(target_os = "linux")]
mod qt_interop;
#[cfg(windows)]
mod qt_windows;
#[cfg(target_os = "linux")]
mod reaper;
#[cfg(target_os = "linux")]
mod reaper_storm;
#[cfg(target_os = "linux")]
mod seals;
mod support;
#[cfg(target_os = "linux")]
mod sync;
mod tidy;
#[cfg(target_os = "linux")]
mod typed;
mod typed_builds;
#[cfg(target_os = "linux")]
mod watching;
