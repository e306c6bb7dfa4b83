//! The integration tests of shmkit, in one binary: real processes, real crashes, real Qt.
#![allow(clippy::print_stdout, reason = "a test that cannot run here says why")]

#[cfg(shmkit_force_portable)]
mod anchored;
#[cfg(feature = "async")]
mod asynchronous;
#[cfg(all(target_os = "linux", not(shmkit_force_portable)))]
mod bad_input;
mod conformance;
mod crash;
#[cfg(all(target_os = "linux", not(shmkit_force_portable)))]
mod extent;
mod files;
#[cfg(target_os = "linux")]
mod files_unix;
#[cfg(target_os = "linux")]
mod fork;
mod format;
#[cfg(not(shmkit_force_portable))]
mod growth;
#[cfg(target_os = "linux")]
mod handover;
#[cfg(target_os = "linux")]
mod inspect;
#[cfg(all(target_os = "linux", not(shmkit_force_portable)))]
mod interrupt;
#[cfg(not(shmkit_force_portable))]
mod other_build;
#[cfg(all(target_os = "linux", not(shmkit_force_portable)))]
mod placement;
mod places;
#[cfg(all(target_os = "linux", not(shmkit_force_portable)))]
mod qt_face;
#[cfg(all(target_os = "linux", not(shmkit_force_portable)))]
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
