//! The layouts of the primitives around data that are only known at run time: those of the types around
//! nothing, with other data.

use super::{Mutex, OnceCell, RecursiveMutex, RwLock};
use crate::layout::{Schema, SchemaError};

type Result<T> = std::result::Result<T, SchemaError>;

impl Schema {
    /// A [`Mutex`] around `data`.
    ///
    /// # Errors
    /// If it would be too large, or nested too deep.
    pub fn mutex(data: Self) -> Result<Self> {
        Self::of::<Mutex<()>>().around("data", data)
    }

    /// A [`RecursiveMutex`] around `data`.
    ///
    /// # Errors
    /// If it would be too large, or nested too deep.
    pub fn recursive_mutex(data: Self) -> Result<Self> {
        Self::of::<RecursiveMutex<()>>().around("data", data)
    }

    /// A [`RwLock`] around `data`, with the usual number of slots.
    ///
    /// # Errors
    /// If it would be too large, or nested too deep.
    pub fn rw_lock(data: Self) -> Result<Self> {
        Self::of::<RwLock<()>>().around("data", data)
    }

    /// A [`OnceCell`] for a value of this layout.
    ///
    /// # Errors
    /// If it would be too large, or nested too deep.
    pub fn once_cell(value: Self) -> Result<Self> {
        Self::of::<OnceCell<()>>().around("value", value)
    }
}
