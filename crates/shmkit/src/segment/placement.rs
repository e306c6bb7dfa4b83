//! Where the pages of a segment are: in memory in advance, huge, kept there, on which node.

use std::num::NonZero;
use std::ops::RangeBounds;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::{Options, SharedMemory};
use crate::backend::{Advice, HugePages, Nodes, Origin, Removal, Wish};
use crate::error::{Error, Result};
use crate::mapping::Access;

/// How much one thread populates before it looks for more; a multiple of every page.
const PIECE: usize = 32 << 20;

/// What is done to the pages when a segment is made or attached.
#[derive(Debug, Clone, Default)]
pub(super) struct Placement {
    populate: Option<Wish>,
    transparent: Option<Wish>,
    lock: Option<Wish>,
    nodes: Option<(Nodes, Wish)>,
}

impl Options {
    /// Has all pages there from the beginning, so that no touch is a first touch. Default: pages
    /// come when they are touched.
    ///
    /// Big segments are populated by several threads; for a new one it goes fastest without
    /// [`reserve`](Self::reserve), and a lack of memory is an error all the same.
    #[doc(alias = "MAP_POPULATE")]
    #[doc(alias = "prefault")]
    pub fn populate(&mut self, wish: Wish) -> &mut Self {
        self.placement.populate = Some(wish);
        self
    }

    /// Asks for huge pages, which make large segments quicker to touch and to use. Default: the
    /// usual pages. If there are none, the warning or the error says why.
    ///
    /// ```
    /// use shmkit::{HugePages, SharedMemory, Wish};
    ///
    /// # fn main() -> shmkit::Result<()> {
    /// # if cfg!(target_os = "linux") {
    /// let mut options = SharedMemory::options();
    /// options.size(4 << 20).huge_pages(HugePages::Reserved, Wish::Hint);
    /// let segment = options.memfd("frames")?;
    /// for warning in segment.warnings() {
    ///     println!("{warning}"); // no reserved huge pages: 0 of 0 ... are free; root may ...
    /// }
    /// # }
    /// # Ok(()) }
    /// ```
    ///
    /// # Platform-specific behavior
    /// [`HugePages::Reserved`] is for new memfds and means nothing elsewhere. The memory comes in
    /// whole huge pages; [`memfd_from`](Self::memfd_from) cannot have them, as its size is that of the
    /// contents.
    pub fn huge_pages(&mut self, pages: HugePages, wish: Wish) -> &mut Self {
        match pages {
            HugePages::Transparent => self.placement.transparent = Some(wish),
            HugePages::Reserved => self.spec.huge = Some((None, wish)),
            HugePages::ReservedOf(size) => self.spec.huge = Some((Some(size), wish)),
        }
        self
    }

    /// Keeps all pages in memory: they are never swapped out. Default: no.
    #[doc(alias = "mlock")]
    pub fn lock_in_memory(&mut self, wish: Wish) -> &mut Self {
        self.placement.lock = Some(wish);
        self
    }

    /// Sets which nodes of the machine the pages shall be on. Default: the kernel's choice, which is
    /// where they are first touched.
    #[doc(alias = "NUMA")]
    pub fn nodes(&mut self, nodes: Nodes, wish: Wish) -> &mut Self {
        self.placement.nodes = Some((nodes, wish));
        self
    }

    /// Does to the pages what was asked for.
    pub(super) fn place(&self, mut made: SharedMemory) -> Result<SharedMemory> {
        let Placement {
            populate,
            transparent,
            lock,
            nodes,
        } = &self.placement;
        let whole = made.size();
        let mut failed = Vec::new();
        let mut wish = |wish: Wish, done: Result<()>| match (done, wish) {
            (Ok(()), _) => Ok(()),
            (Err(error), Wish::Hint) => {
                failed.push(error.to_string());
                Ok(())
            }
            (Err(error), Wish::Demand) => Err(error),
        };
        // First where and how large the pages are, then that they are there.
        let done = (|| {
            if let Some((nodes, how)) = nodes {
                wish(*how, made.segment().bind(0, whole, nodes))?;
            }
            if let Some(how) = *transparent {
                wish(how, made.segment().prefer_huge_pages())?;
            }
            if let Some(how) = *populate {
                wish(how, made.populate(.., |_| {}))?;
            }
            if let Some(how) = *lock {
                wish(how, made.segment().lock_in_memory(0, whole, true))?;
            }
            Ok(())
        })();
        made.warnings.extend(failed);
        match done {
            Ok(()) => Ok(made),
            Err(error) => {
                let error: Error = error;
                let error = error.on(&made.target);
                // What is not as it must be leaves no trace.
                if matches!(made.origin(), Origin::Created | Origin::Reclaimed) {
                    made.removal = Removal::Always;
                }
                Err(error)
            }
        }
    }
}

/// How far [`SharedMemory::populate`] has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Populated {
    /// Bytes that are there.
    pub done: usize,
    /// Bytes that shall be there.
    pub total: usize,
}

impl SharedMemory {
    /// Has the pages of a range there now, so that touching them is no first touch. Several threads
    /// do it if it is big; `progress` hears of it every now and then, in one thread at a time.
    ///
    /// Memory that is missing is taken, and a lack of it is an error, where touching would end this
    /// process. No byte changes.
    ///
    /// ```
    /// # fn main() -> shmkit::Result<()> {
    /// # if cfg!(target_os = "linux") {
    /// # let mut options = shmkit::SharedMemory::options();
    /// let segment = options.size(100 << 20).reserve(false).memfd("big")?;
    /// segment.populate(.., |so_far| println!("{} of {}", so_far.done, so_far.total))?;
    /// # }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`OutOfSpace`](crate::ErrorKind::OutOfSpace);
    /// [`OutOfBounds`](crate::ErrorKind::OutOfBounds).
    ///
    /// # Platform-specific behavior
    /// Before Linux 5.14 pages are touched one by one, and a lack of memory ends the process.
    pub fn populate(
        &self,
        range: impl RangeBounds<usize>,
        progress: impl FnMut(Populated) + Send,
    ) -> Result<()> {
        let (offset, total) = self.part(range)?;
        let write = self.access == Access::ReadWrite;
        let next = AtomicUsize::new(0);
        let failed = AtomicBool::new(false);
        let so_far = Mutex::new((progress, 0));
        let work = || {
            while !failed.load(Ordering::Relaxed) {
                let begin = next.fetch_add(PIECE, Ordering::Relaxed);
                if begin >= total {
                    break;
                }
                let len = PIECE.min(total - begin);
                if let Err(error) = self.segment().populate(offset + begin, len, write) {
                    failed.store(true, Ordering::Relaxed);
                    return Err(error.on(&self.target));
                }
                let mut so_far = so_far.lock().unwrap_or_else(PoisonError::into_inner);
                let (progress, done) = &mut *so_far;
                *done += len;
                let done = *done;
                progress(Populated { done, total });
            }
            Ok(())
        };
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        let helpers = total.div_ceil(PIECE).min(processors).saturating_sub(1);
        thread::scope(|scope| {
            let helpers: Vec<_> = (0..helpers).map(|_| scope.spawn(work)).collect();
            let mut done = work();
            for helper in helpers {
                done = done.and(helper.join().unwrap_or_else(|panic| {
                    // Out of `progress`, which is the caller's.
                    std::panic::resume_unwind(panic)
                }));
            }
            done
        })
    }

    /// Tells the kernel how a range will be used.
    ///
    /// # Errors
    /// [`OutOfBounds`](crate::ErrorKind::OutOfBounds); [`Os`](crate::ErrorKind::Os) if this kernel
    /// does not know the advice.
    pub fn advise(&self, range: impl RangeBounds<usize>, advice: Advice) -> Result<()> {
        let (offset, len) = self.part(range)?;
        self.segment()
            .advise(offset, len, advice)
            .map_err(|error| error.on(&self.target))
    }

    /// Keeps the pages of a range in memory until it is detached or let go.
    ///
    /// # Errors
    /// [`OutOfResources`](crate::ErrorKind::OutOfResources) if that is more than this process may
    /// (`ulimit -l`); [`OutOfBounds`](crate::ErrorKind::OutOfBounds).
    #[doc(alias = "mlock")]
    pub fn lock_in_memory(&self, range: impl RangeBounds<usize>) -> Result<()> {
        let (offset, len) = self.part(range)?;
        self.segment()
            .lock_in_memory(offset, len, true)
            .map_err(|error| error.on(&self.target))
    }

    /// Lets the pages of a range go that were kept in memory.
    ///
    /// # Errors
    /// [`OutOfBounds`](crate::ErrorKind::OutOfBounds).
    #[doc(alias = "munlock")]
    pub fn unlock_from_memory(&self, range: impl RangeBounds<usize>) -> Result<()> {
        let (offset, len) = self.part(range)?;
        self.segment()
            .lock_in_memory(offset, len, false)
            .map_err(|error| error.on(&self.target))
    }

    /// Has the pages of a range on these nodes of the machine, and moves those that are elsewhere.
    ///
    /// # Errors
    /// [`Unsupported`](crate::ErrorKind::Unsupported) if the machine does not have them;
    /// [`OutOfBounds`](crate::ErrorKind::OutOfBounds).
    #[doc(alias = "mbind")]
    pub fn bind(&self, range: impl RangeBounds<usize>, nodes: &Nodes) -> Result<()> {
        let (offset, len) = self.part(range)?;
        self.segment()
            .bind(offset, len, nodes)
            .map_err(|error| error.on(&self.target))
    }
}
