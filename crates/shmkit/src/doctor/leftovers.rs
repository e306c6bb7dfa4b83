//! What crashed programs left behind.

use super::Finding;
use crate::backend::{SegmentInfo, State, bytes};
use crate::error::Result;

pub(super) fn check(segments: Result<Vec<SegmentInfo>>, found: &mut Vec<Finding>) {
    match segments {
        Ok(segments) => {
            found.push(orphans(&segments));
            found.extend(half_made(&segments));
        }
        Err(error) => found.push(
            Finding::note("orphans", "it cannot be told whether there are orphans")
                .why(error.to_string()),
        ),
    }
}

fn orphans(segments: &[SegmentInfo]) -> Finding {
    let check = "orphans";
    let (count, size) = count(segments, |segment| segment.state == State::Orphan);
    let what = match count {
        0 => return Finding::good(check, "no segment is an orphan"),
        1 => "a segment is an orphan and holds".to_owned(),
        count => format!("{count} segments are orphans and hold"),
    };
    Finding::warning(check, format!("{what} {}", bytes(size)))
        .why(
            "its users were killed, and it takes memory until somebody creates that key again or \
             removes it",
        )
        .mend("shmkit reap --yes")
}

/// Files of no size, which programs leave that die between shm_open and ftruncate. Qt and others
/// take them for a segment and fail.
fn half_made(segments: &[SegmentInfo]) -> Option<Finding> {
    let is_half = |segment: &SegmentInfo| segment.size == 0 && segment.state != State::Live;
    let (count, _) = count(segments, is_half);
    let first = segments.iter().find(|segment| is_half(segment))?;
    let what = match count {
        1 => "a segment is".to_owned(),
        count => format!("{count} segments are"),
    };
    Some(
        Finding::warning("half-made", format!("{what} empty: {}", first.place))
            .why(
                "its maker died half-way. Programs that only look whether the name is there find it \
                 taken, for ever",
            )
            .mend("shmkit rm KEY"),
    )
}

fn count(segments: &[SegmentInfo], is_one: impl Fn(&SegmentInfo) -> bool) -> (usize, u64) {
    let sizes = segments
        .iter()
        .filter(|segment| is_one(segment))
        .map(|segment| segment.size);
    (sizes.clone().count(), sizes.sum())
}
