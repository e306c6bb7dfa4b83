//! The integration tests of shmkit, in one binary: real processes, real crashes, real Qt.
#![expect(clippy::print_stdout, reason = "a test that cannot run here says why")]

#[cfg(feature = "async")]
mod asynchronous;
mod bad_input;
mod conformance;
mod crash;
mod extent;
mod files;
mod fork;
mod format;
mod handover;
mod other_build;
mod placement;
mod places;
mod qt_face;
mod qt_interop;
mod reaper;
mod reaper_storm;
mod seals;
mod support;
mod sync;
mod tidy;
mod watching;
