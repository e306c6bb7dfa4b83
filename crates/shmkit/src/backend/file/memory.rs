//! Memory without a name: a memfd, which goes with its last description.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use super::birth::{Born, fill};
use super::explain::explain;
use super::segment::Segment;
use crate::backend::{Origin, Spec, Wish};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::sys::{file, filter, fork, memfd, placement, volume};

/// What messages call the place where it lies.
const PLACE: &str = "memory";

/// Makes a memfd of the size that `spec` says.
pub(in crate::backend) fn create(name: &str, spec: &Spec, op: Op) -> Result<Segment> {
    may_be_asked(filter::no_memfd(), op)?;
    let place = Path::new(PLACE);
    let _steady = fork::steady();
    let warning = match spec.huge {
        None => None,
        Some((size, wish)) => match create_huge(name, size, spec, op) {
            Err(error) if wish == Wish::Hint => Some(error.to_string()),
            made => return made,
        },
    };
    let fd = memfd::create(name, spec.mode).map_err(|error| explain(error, place, op))?;
    let born = Born::new(fd, place, spec, op)?;
    let made = born.into_segment(None, spec, Origin::Created);
    Ok(Segment { warning, ..made })
}

/// Makes a memfd of the contents and of their size.
pub(in crate::backend) fn create_from(
    name: &str,
    spec: &Spec,
    contents: &mut dyn Read,
    op: Op,
) -> Result<Segment> {
    may_be_asked(filter::no_memfd(), op)?;
    let place = Path::new(PLACE);
    let warning = match spec.huge {
        None => None,
        Some((_, Wish::Hint)) => Some(sized_by_contents(op).to_string()),
        Some((_, Wish::Demand)) => return Err(sized_by_contents(op)),
    };
    let fd = memfd::create(name, spec.mode).map_err(|error| explain(error, place, op))?;
    let spec = fill(fd.as_fd(), place, spec, contents, op)?;
    let _steady = fork::steady();
    let born = Born::map(fd, place, &spec, op)?;
    let made = born.into_segment(None, &spec, Origin::Created);
    Ok(Segment { warning, ..made })
}

/// An error where the system must not be asked, and why it must not.
fn may_be_asked(why_not: Option<String>, op: Op) -> Result<()> {
    match why_not {
        None => Ok(()),
        Some(why) => Err(Error::new(op, ErrorKind::Unsupported)
            .detail(why)
            .hint("use a file in the program's own directory, which needs no name either")),
    }
}

/// Why contents are not put into reserved huge pages: those are taken for a size, and cannot be
/// written to by `write(2)`, with which contents of any length come.
fn sized_by_contents(op: Op) -> Error {
    Error::new(op, ErrorKind::Unsupported)
        .detail("no reserved huge pages: they need a size before there are contents")
        .hint("make it with `memfd` and a size, then write the contents into it")
}

/// Makes a memfd of reserved huge pages, as many as the size needs.
fn create_huge(name: &str, size: Option<usize>, spec: &Spec, op: Op) -> Result<Segment> {
    let place = Path::new(PLACE);
    let no_pages = |error: io::Error| {
        let of = size.or_else(placement::default_huge_page);
        let why = of.map_or_else(
            || "this kernel has none".to_owned(),
            placement::free_huge_pages,
        );
        Error::os(op, error)
            .detail(format!("no reserved huge pages: {why}"))
            .with_kind(ErrorKind::Unsupported)
    };
    let fd: OwnedFd = memfd::create_huge(name, spec.mode, size).map_err(no_pages)?;
    let status = file::status(&fd).map_err(no_pages)?;
    let unit = volume::page_size_of(&fd, &status).map_err(no_pages)? as u64;
    let whole = (spec.size as u64).next_multiple_of(unit);
    file::set_size(fd.as_fd(), whole, spec.room()).map_err(no_pages)?;
    // The file comes in whole pages; the segment has what was asked for.
    let spec = Spec {
        length: spec.length.or(Some(spec.size)),
        size: usize::try_from(whole).map_err(|_| Error::new(op, ErrorKind::InvalidSize))?,
        ..spec.clone()
    };
    let born = Born::map(fd, place, &spec, op)?;
    Ok(born.into_segment(None, &spec, Origin::Created))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_must_not_be_asked_is_named_with_what_to_do_instead() {
        assert!(may_be_asked(None, Op::Create).is_ok());
        let error = may_be_asked(Some("this is an old system".to_owned()), Op::Create).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(
            error.on("memfd:frames").to_string(),
            "cannot create memfd:frames: this is an old system; use a file in the program's own \
             directory, which needs no name either"
        );
    }
}
