//! The integration tests of shmkit, in one binary: real processes, real crashes, real Qt.
#![allow(clippy::print_stdout, reason = "a test that cannot run here says why")]

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
#[cfg(all(target_os = "linux", not(shmkit_force_portable)))]
mod handover;
#[cfg(all(target_os = "linux", not(shmkit_force_portable)))]
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
#[cfg(all(target_os = "linux", not(shmkit_force_portable)))]
mod reaper;
#[cfg(all(target_os = "linux", not(shmkit_force_portable)))]
mod reaper_storm;
#[cfg(all(target_os = "linux", not(shmkit_force_portable)))]
mod seals;
mod support;
mod sync;
mod tidy;
mod typed;
mod typed_builds;
#[cfg(all(target_os = "linux", not(shmkit_force_portable)))]
mod watching;
#[cfg(windows)]
mod windows;
