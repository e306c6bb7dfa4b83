//! What a typed segment begins with. `docs/FORMAT.md` specifies it.
//!
//! The header is input like any other: it is read once, into a copy, and everything in the copy is
//! checked before it is used. What changes later (the ready mark, the counter of leases, the roster)
//! is not in the copy.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use zerocopy::byteorder::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::outline::Outline;
use crate::error::{Error, ErrorKind, Op, Result};
use crate::layout::Schema;
use crate::layout::mark::{self, MAGIC};
use crate::lease::roster;
use crate::mapping::{Ro, View};
use crate::sync::Once;
use crate::sys::attachment::{self, Ledger};
use crate::sys::identity::identity;

/// The one version of the format so far.
const FORMAT: u32 = 1;

/// Where the mark is that the value is initialised.
pub(super) const READY: usize = 128;

/// Where the counter is from which leases get their numbers.
pub(super) const COUNTER: usize = 136;

/// Where the roster begins.
pub(super) const ROSTER: usize = 256;

/// Where the text of the layout begins, behind the roster.
const LAYOUT: usize = ROSTER + roster::ENTRIES * size_of::<roster::Entry>();

const _: () = assert!(LAYOUT == 4096);

/// The longest text of a layout that is read, in bytes.
const LONGEST_LAYOUT: usize = 1 << 20;

/// The value begins at a multiple of this at least.
pub(super) const LINE: usize = 64;

/// What does not change.
#[derive(Debug, Clone, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Fixed {
    magic: [u8; 8],
    format: U32,
    /// Where the value begins.
    header_len: U32,
    /// Header and value.
    total_size: U64,
    layout_hash: U64,
    value_size: U64,
    value_align: U32,
    layout_len: U32,
    creator_pid: U32,
    reserved: U32,
    creator_namespace: U64,
    created: U64,
    creator_program: [u8; 16],
    /// The name of the type, cut, for those who look at many segments: 0 bytes if it has none.
    type_name: [u8; 40],
}

const _: () = assert!(size_of::<Fixed>() == READY);
const _: () = assert!(std::mem::offset_of!(Fixed, type_name) == mark::TYPE_NAME);

/// How a value lies in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    pub(super) header_len: usize,
    pub(super) total_size: usize,
}

impl Geometry {
    /// `None` if no address space is large enough.
    pub(super) fn of(outline: &Outline) -> Option<Self> {
        let align = (LINE as u64).max(outline.align.into());
        let header_len = ((LAYOUT + outline.text.len()) as u64).next_multiple_of(align);
        let total_size = header_len.checked_add(outline.size)?;
        Some(Self {
            header_len: header_len.try_into().ok()?,
            total_size: usize::try_from(total_size)
                .ok()
                .filter(|&size| size <= isize::MAX as usize)?,
        })
    }
}

/// Where a typed segment of that name keeps who uses it.
pub(super) fn ledger(name: String) -> Ledger {
    Ledger {
        counter: COUNTER,
        roster: ROSTER,
        name,
    }
}

/// The bytes with which a new segment for such a value begins: its creator, who has the first
/// lease, is initialising it.
pub(super) fn new(outline: &Outline, geometry: Geometry) -> Vec<u8> {
    let me = identity();
    let fixed = Fixed {
        magic: MAGIC,
        format: FORMAT.into(),
        header_len: (geometry.header_len as u32).into(),
        total_size: (geometry.total_size as u64).into(),
        layout_hash: outline.hash.into(),
        value_size: outline.size.into(),
        value_align: outline.align.into(),
        layout_len: (outline.text.len() as u32).into(),
        creator_pid: me.pid.into(),
        reserved: 0.into(),
        creator_namespace: me.namespace.into(),
        created: roster::now().into(),
        creator_program: mark::cut(&me.program),
        type_name: mark::cut(&outline.name),
    };
    let mut head = vec![0; LAYOUT + outline.text.len()];
    head[..READY].copy_from_slice(fixed.as_bytes());
    head[READY..][..4].copy_from_slice(&Once::begun_by(attachment::FIRST).to_le_bytes());
    head[COUNTER..][..4].copy_from_slice(&attachment::FIRST.to_le_bytes());
    head[LAYOUT..].copy_from_slice(outline.text.as_bytes());
    head
}

/// A header that is sound, whatever type it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) header_len: usize,
    pub(crate) value_size: usize,
    pub(crate) value_align: u32,
    pub(crate) layout_hash: u64,
    /// The text of the layout, as its creator wrote it.
    pub(crate) layout: String,
    pub(crate) creator_pid: u32,
    pub(crate) creator_namespace: u64,
    pub(crate) creator_program: String,
    pub(crate) created: SystemTime,
}

/// Why bytes are no header that can be used, in words.
pub(crate) type Defect = String;

impl Header {
    /// Reads the header of a segment, and checks it.
    pub(crate) fn read(segment: View<'_, Ro>) -> Result<Self, Defect> {
        let fixed: Fixed = segment.read(0).map_err(|_| {
            format!(
                "it has {} bytes, fewer than a typed segment's header",
                segment.len()
            )
        })?;
        if fixed.magic != MAGIC {
            return Err(match fixed.as_bytes().iter().all(|&byte| byte == 0) {
                true => "it is no typed segment: its first bytes are zeros".to_owned(),
                false => "it is no typed segment: it begins with other bytes".to_owned(),
            });
        }
        if fixed.format.get() != FORMAT {
            let format = fixed.format.get();
            return Err(format!(
                "its header is of version {format}, and this shmkit knows version {FORMAT}"
            ));
        }
        let layout_len = bounded(fixed.layout_len.get().into(), LONGEST_LAYOUT)
            .ok_or("its header says that its layout's description is too long")?;
        let header_len = bounded(fixed.header_len.get().into(), segment.len())
            .filter(|len| len.is_multiple_of(LINE) && *len >= LAYOUT + layout_len)
            .ok_or("its header says that the header has an impossible length")?;
        let value_size =
            bounded(fixed.value_size.get(), segment.len() - header_len).ok_or_else(|| {
                format!(
                    "its header says that the value has {} bytes, and there are {}",
                    fixed.value_size.get(),
                    segment.len() - header_len
                )
            })?;
        if fixed.total_size.get() != (header_len + value_size) as u64 {
            return Err("its header contradicts itself about the size".to_owned());
        }
        let mut text = vec![0; layout_len];
        segment
            .copy_to(LAYOUT, &mut text)
            .map_err(|error| error.to_string())?;
        let layout = String::from_utf8(text)
            .map_err(|_| "its header describes the layout in what is no text")?;
        Ok(Self {
            header_len,
            value_size,
            value_align: fixed.value_align.get(),
            layout_hash: fixed.layout_hash.get(),
            layout,
            creator_pid: fixed.creator_pid.get(),
            creator_namespace: fixed.creator_namespace.get(),
            creator_program: mark::text(&fixed.creator_program),
            created: UNIX_EPOCH + Duration::from_nanos(fixed.created.get()),
        })
    }

    /// Whether the segment holds a value of this layout; if not, what differs.
    pub(super) fn check(&self, wanted: &Outline) -> Result<(), Defect> {
        let is_same = self.layout_hash == wanted.hash
            && self.value_size as u64 == wanted.size
            && self.value_align == wanted.align
            && self.header_len.is_multiple_of(wanted.align as usize);
        match is_same && self.layout == wanted.text {
            true => Ok(()),
            false => Err(difference(&wanted.text, &self.layout)),
        }
    }
}

fn bounded(number: u64, most: usize) -> Option<usize> {
    usize::try_from(number)
        .ok()
        .filter(|&number| number <= most)
}

/// What differs between a layout and what a segment says of its own, in words.
fn difference(wanted: &str, found: &str) -> Defect {
    let schemas = (Schema::parse(wanted), Schema::parse(found));
    let (Ok(wanted), Ok(found)) = schemas else {
        return "it holds another type, which it does not describe".to_owned();
    };
    let differences = wanted.differences(&found);
    match differences.is_empty() {
        true => "its header contradicts its own description of the type".to_owned(),
        false => format!("it holds another type: {differences}"),
    }
}

/// A header that cannot be used, as an error.
pub(super) fn refuse(defect: Defect, op: Op) -> Error {
    Error::new(op, ErrorKind::BadHeader).detail(defect)
}
