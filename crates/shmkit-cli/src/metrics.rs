//! Segments as metrics, in Prometheus's text format.

mod locks;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Error, Result as Encoded};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use shmkit::doctor::{self, Finding, Severity};
use shmkit::inspect::{self, SegmentInfo};

use crate::held::Held;
use crate::output;
use locks::Locks;

/// A look is used for so long, however many ask.
const FRESH: Duration = Duration::from_secs(1);

/// Makes the page, by a look that is not older than a second.
#[derive(Debug)]
pub(crate) struct Metrics {
    limit: usize,
    last: Mutex<Last>,
}

/// What is left of the last look.
#[derive(Debug, Default)]
struct Last {
    page: Option<(Instant, String)>,
    held: Held,
}

impl Metrics {
    /// At most `limit` segments are told of one by one.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            last: Mutex::default(),
        }
    }

    /// The page.
    pub(crate) fn text(&self) -> Result<String> {
        // Who comes meanwhile waits and gets the same.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made, text)) = &last.page
            && made.elapsed() < FRESH
        {
            return Ok(text.clone());
        }
        let text = encode(Look::now(self.limit, &mut last.held)?)?;
        last.page = Some((Instant::now(), text.clone()));
        Ok(text)
    }
}

fn encode(look: Look) -> Result<String> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(look));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry).context("cannot write the metrics")?;
    Ok(text)
}

/// What was seen.
#[derive(Debug)]
struct Look {
    segments: Vec<SegmentInfo>,
    locks: Locks,
    findings: Vec<Finding>,
    /// The size of `/dev/shm` and what of it is free.
    room: Option<(u64, u64)>,
    limit: usize,
    took: Duration,
}

impl Look {
    fn now(limit: usize, held: &mut Held) -> Result<Self> {
        let begun = Instant::now();
        let mut segments = inspect::list()?;
        segments.sort_by_key(|segment| std::cmp::Reverse(segment.size));
        held.forget_all_but(&segments);
        Ok(Self {
            locks: Locks::look(&segments[..limit.min(segments.len())], held),
            segments,
            findings: doctor::examine()?,
            room: room(),
            limit,
            took: begun.elapsed(),
        })
    }
}

#[cfg(unix)]
fn room() -> Option<(u64, u64)> {
    let stat = rustix::fs::statvfs("/dev/shm").ok()?;
    Some((stat.f_blocks * stat.f_frsize, stat.f_bavail * stat.f_frsize))
}

#[cfg(not(unix))]
fn room() -> Option<(u64, u64)> {
    None
}

/// Names and values of labels.
type Labels = Vec<(&'static str, String)>;

impl Collector for Look {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Encoded {
        let told = told(&self.segments, self.limit);
        gauges(
            &mut encoder,
            "shmkit_build_info",
            "The version of shmkit",
            [(vec![("version", env!("CARGO_PKG_VERSION").to_owned())], 1.0)],
        )?;
        gauges(
            &mut encoder,
            "shmkit_look_seconds",
            "How long the look took",
            [(Vec::new(), self.took.as_secs_f64())],
        )?;
        let is_complete = self.segments.iter().all(|segment| segment.complete);
        gauges(
            &mut encoder,
            "shmkit_look_complete",
            "Whether all processes could be seen; if not, attachments may be too low",
            [(Vec::new(), flag(is_complete))],
        )?;
        if let Some((size, free)) = self.room {
            gauges(
                &mut encoder,
                "shmkit_shm_size_bytes",
                "The size of /dev/shm",
                [(Vec::new(), size as f64)],
            )?;
            gauges(
                &mut encoder,
                "shmkit_shm_free_bytes",
                "What of it is free",
                [(Vec::new(), free as f64)],
            )?;
        }
        let sums = sums(&self.segments);
        gauges(
            &mut encoder,
            "shmkit_segments",
            "How many segments there are",
            sums.iter()
                .map(|(labels, sum)| (of_sum(labels), sum.count as f64)),
        )?;
        gauges(
            &mut encoder,
            "shmkit_segments_size_bytes",
            "The sizes of all segments together",
            sums.iter()
                .map(|(labels, sum)| (of_sum(labels), sum.size as f64)),
        )?;
        gauges(
            &mut encoder,
            "shmkit_segments_omitted",
            "How many segments are in the sums only (--limit)",
            [(
                Vec::new(),
                self.segments.len().saturating_sub(self.limit) as f64,
            )],
        )?;
        gauges(
            &mut encoder,
            "shmkit_segment_size_bytes",
            "The size of a segment",
            told.iter()
                .map(|(labels, segment)| (labels.clone(), segment.size as f64)),
        )?;
        gauges(
            &mut encoder,
            "shmkit_segment_resident_bytes",
            "How much of it takes memory",
            told.iter().filter_map(|(labels, segment)| {
                Some((labels.clone(), segment.resident?.bytes as f64))
            }),
        )?;
        gauges(
            &mut encoder,
            "shmkit_segment_attached",
            "How often it is attached",
            told.iter()
                .filter_map(|(labels, segment)| Some((labels.clone(), segment.attached? as f64))),
        )?;
        gauges(
            &mut encoder,
            "shmkit_segment_created_seconds",
            "When it was made, in seconds since the epoch",
            told.iter().filter_map(|(labels, segment)| {
                Some((labels.clone(), output::unix_time(segment.created?)))
            }),
        )?;
        self.locks.encode(&mut encoder)?;
        gauges(
            &mut encoder,
            "shmkit_doctor_finding",
            "What shmkit doctor warns of",
            self.findings
                .iter()
                .filter(|finding| finding.severity >= Severity::Warning)
                .map(|finding| (of_finding(finding), 1.0)),
        )
    }
}

/// Yes or no as a value.
fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

/// One metric with all its values; nothing at all if there are none.
fn gauges(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (Labels, f64)>,
) -> Result<(), Error> {
    let mut values = values.into_iter().peekable();
    if values.peek().is_none() {
        return Ok(());
    }
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in values {
        match labels.is_empty() {
            true => metric.encode_gauge(&value)?,
            false => metric.encode_family(&labels)?.encode_gauge(&value)?,
        }
    }
    Ok(())
}

/// The segments that are told of one by one. Two of the same labels, as of two IPC namespaces, would
/// spoil all, so only the first is told.
fn told(segments: &[SegmentInfo], limit: usize) -> Vec<(Labels, &SegmentInfo)> {
    let mut seen = BTreeSet::new();
    let mut told: Vec<_> = segments.iter().take(limit).map(|it| (of(it), it)).collect();
    told.retain(|(labels, _)| seen.insert(labels.clone()));
    told
}

fn of(segment: &SegmentInfo) -> Labels {
    let name = match &segment.key {
        Some(key) => key.to_string(),
        None => segment.place.to_string(),
    };
    let owner = segment.owner_name.clone();
    vec![
        ("key", name),
        ("type", segment.place.name().to_owned()),
        ("kind", segment.kind.name().to_owned()),
        ("owner", owner.unwrap_or_else(|| segment.owner.to_string())),
        ("state", segment.state.to_string()),
    ]
}

#[derive(Debug, Default)]
struct Sum {
    count: u64,
    size: u64,
}

fn sums(segments: &[SegmentInfo]) -> BTreeMap<(&'static str, String), Sum> {
    let mut sums: BTreeMap<_, Sum> = BTreeMap::new();
    for segment in segments {
        let sum = sums
            .entry((segment.place.name(), segment.state.to_string()))
            .or_default();
        sum.count += 1;
        sum.size += segment.size;
    }
    sums
}

fn of_sum((kind, state): &(&'static str, String)) -> Labels {
    vec![("type", (*kind).to_owned()), ("state", state.clone())]
}

fn of_finding(finding: &Finding) -> Labels {
    vec![
        ("check", finding.check.to_owned()),
        ("severity", finding.severity.to_string()),
    ]
}
