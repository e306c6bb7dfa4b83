//! Linux: files in `/dev/shm`, leases and open-file-description locks, System V objects, futexes.

pub(crate) mod census;
pub(crate) mod clock;
pub(crate) mod directory_watch;
#[allow(
    dead_code,
    reason = "where the layout of `sem_t` is the C library's secret, it does the sleeping"
)]
pub(crate) mod futex;
pub(crate) mod identity;
pub(crate) mod lease;
pub(crate) mod maps;
pub(crate) mod memfd;
pub(crate) mod page_cache;
pub(crate) mod peek;
pub(crate) mod placement;
pub(crate) mod process;
#[cfg(keys = "systemv")]
pub(crate) mod system_v_table;
pub(crate) mod volume;
pub(crate) mod waiting;
pub(crate) mod watch;
pub(crate) mod who;
