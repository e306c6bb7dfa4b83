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
mod files;
#[cfg(target_os = "linux")]
mod files_unix;
#[cfg(target_os = "linux")]
mod fork;
mod format;
mod growth;
#[cfg(target_os = "linux")]
mod handover;
#[cfg(target_os = "linux")]
mod inspect;
#[cfg(target_os = "linux")]
mod interrupt;
mod other_build;
#[cfg(target_os = "linux")]
mod placement;
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
mod sync;
mod tidy;
mod typed;
mod typed_builds;
#[cfg(target_os = "linux")]
mod watching;
#[cfg(windows)]
mod windows;
