//! POSIX segments and semaphores: files of the memory file system.

#[cfg(surveyed)]
pub(crate) mod leftover;
#[cfg(surveyed)]
pub(crate) mod lock_info;
mod name;
pub(crate) mod segment;
pub(crate) mod semaphore;
mod slot;
#[cfg(surveyed)]
pub(crate) mod survey;

// One file per layout of `sem_t`; both offer the same `Word`.
#[cfg_attr(
    all(
        any(target_env = "gnu", target_env = "musl"),
        target_pointer_width = "64",
        target_endian = "little",
        not(shmkit_force_fallbacks),
        not(shmkit_force_portable)
    ),
    path = "word_glibc.rs"
)]
#[cfg_attr(
    not(all(
        any(target_env = "gnu", target_env = "musl"),
        target_pointer_width = "64",
        target_endian = "little",
        not(shmkit_force_fallbacks),
        not(shmkit_force_portable)
    )),
    path = "word_libc.rs"
)]
mod word;
