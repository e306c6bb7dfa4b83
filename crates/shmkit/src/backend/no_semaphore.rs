//! Semaphores where there are none: none can be opened, so none can exist.

use std::convert::Infallible;
use std::io;
use std::marker::PhantomData;
use std::time::Duration;

use super::{Grant, Owners, Suspect, unsupported};
use crate::error::{Op, Result};
use crate::key::NativeIpcKey;

/// A semaphore, of which there is none.
#[derive(Debug)]
pub(crate) enum Semaphore {}

/// A lock that is held, of which there is none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken<'s>(Infallible, PhantomData<&'s ()>);

/// What the holder of a lock gives back, of which there is none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticket(Infallible);

impl Semaphore {
    pub(crate) fn open(key: &NativeIpcKey, _: u32, _: u32, _: Owners, op: Op) -> Result<Self> {
        Err(unsupported(key, op))
    }

    pub(crate) fn lock_at_once(&self) -> Option<Taken<'_>> {
        match *self {}
    }

    pub(crate) fn try_lock(&self) -> io::Result<Option<(Taken<'_>, Grant)>> {
        match *self {}
    }

    pub(crate) fn lock_within(&self, _: Duration) -> io::Result<Option<(Taken<'_>, Grant)>> {
        match *self {}
    }

    pub(crate) fn suspects(&self) -> io::Result<Vec<Suspect>> {
        match *self {}
    }

    pub(crate) fn redeem(&self, _: Ticket) -> Option<Taken<'_>> {
        match *self {}
    }

    pub(crate) fn acquire_within(&self, _: Duration) -> io::Result<bool> {
        match *self {}
    }

    pub(crate) fn release(&self, _: u32) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn set_value(&self, _: u32) -> io::Result<()> {
        match *self {}
    }
}

impl Taken<'_> {
    pub(crate) fn ticket(self) -> Ticket {
        match self.0 {}
    }

    pub(crate) fn give(self, _: bool) {
        match self.0 {}
    }
}
