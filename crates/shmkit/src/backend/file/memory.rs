//! Memory without a name: a memfd, which goes with its last description.

use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;

use super::birth::{Born, fill};
use super::explain::explain;
use super::segment::Segment;
use crate::backend::{Origin, Spec};
use crate::error::{Op, Result};
use crate::sys::{fork, memfd};

/// What messages call the place where it lies.
const PLACE: &str = "memory";

/// Makes a memfd of the size that `spec` says.
pub(in crate::backend) fn create(name: &str, spec: &Spec, op: Op) -> Result<Segment> {
    let place = Path::new(PLACE);
    let _steady = fork::steady();
    let fd = memfd::create(name, spec.mode).map_err(|error| explain(error, place, op))?;
    let born = Born::new(fd, place, spec, op)?;
    Ok(born.into_segment(None, spec, Origin::Created))
}

/// Makes a memfd of the contents and of their size.
pub(in crate::backend) fn create_from(
    name: &str,
    spec: &Spec,
    contents: &mut dyn Read,
    op: Op,
) -> Result<Segment> {
    let place = Path::new(PLACE);
    let fd = memfd::create(name, spec.mode).map_err(|error| explain(error, place, op))?;
    let spec = fill(fd.as_fd(), place, spec, contents, op)?;
    let _steady = fork::steady();
    let born = Born::map(fd, place, &spec, op)?;
    Ok(born.into_segment(None, &spec, Origin::Created))
}
