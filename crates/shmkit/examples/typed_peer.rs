//! A Rust program that shares a typed segment with programs in other languages: each line on its
//! standard input is an order, each line on its standard output what came of it.
//!
//! The tests of the Python package talk to it. By hand:
//!
//! ```text
//! $ cargo run --example typed_peer
//! open_or_init my-key
//! ok
//! lock
//! clean 7
//! ```
#![expect(unsafe_code, reason = "the act of trust: the keys are the caller's")]
#![expect(clippy::print_stdout, reason = "that is how it answers")]

use std::error::Error;
use std::io;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use shmkit::Acquired;
use shmkit::key::NativeIpcKey;
use shmkit::sync::{
    Barrier, Condvar, Event, Mutex, MutexGuard, Once, OnceCell, RwLock, RwLockWriteGuard, Semaphore,
};
use shmkit::typed::{ArrayString, ArrayVec, RingBuffer, Shared, ShmSafe};

#[derive(ShmSafe, Clone, Copy, Debug)]
#[repr(u8)]
enum Mode {
    Off = 0,
    On = 1,
}

#[derive(ShmSafe, Clone, Copy, Debug)]
#[repr(C)]
struct Point {
    x: f32,
    y: f32,
}

#[derive(ShmSafe)]
#[repr(C)]
struct State {
    frames: Mutex<u64>,
    table: RwLock<[u32; 4]>,
    ready: Event,
    changed: Condvar,
    permits: Semaphore,
    start: Barrier,
    begun: Once,
    cell: OnceCell<u64>,
    name: ArrayString<28>,
    samples: [f64; 4],
    hits: AtomicI64,
    corners: [Point; 2],
    log: Mutex<RingBuffer<u16, 4>>,
    list: Mutex<ArrayVec<u32, 6>>,
    mode: Mode,
    is_on: bool,
    _pad: [u8; 6],
}

impl State {
    fn new() -> Self {
        Self {
            frames: Mutex::new(7),
            table: RwLock::new([1, 2, 3, 4]),
            ready: Event::new_auto(),
            changed: Condvar::new(),
            permits: Semaphore::new(3),
            start: Barrier::new(2),
            begun: Once::new(),
            cell: OnceCell::new(),
            name: ArrayString::truncated("camera ä"),
            samples: [0.0, 0.5, -1.0, f64::MAX],
            hits: AtomicI64::new(-5),
            corners: [Point { x: 1.0, y: 2.0 }, Point { x: 3.0, y: 4.5 }],
            log: Mutex::new(RingBuffer::new()),
            list: Mutex::new(ArrayVec::new()),
            mode: Mode::On,
            is_on: true,
            _pad: [0; 6],
        }
    }
}

const LIMIT: Duration = Duration::from_secs(20);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() {
    let mut peer = Peer::default();
    for order in io::stdin().lines() {
        let Ok(order) = order else { break };
        match peer.obey(&order) {
            Ok(answer) => println!("{answer}"),
            Err(error) => println!("error {error}"),
        }
    }
}

/// What the program has; fields are dropped in this order, so what is held comes first.
#[derive(Default)]
struct Peer {
    frames: Option<MutexGuard<'static, u64>>,
    table: Option<RwLockWriteGuard<'static, [u32; 4], 4>>,
    alone: Option<MutexGuard<'static, ()>>,
    state: Option<&'static Shared<State>>,
}

impl Peer {
    fn obey(&mut self, order: &str) -> Result<String> {
        let (verb, rest) = order.split_once(' ').unwrap_or((order, ""));
        let key = || NativeIpcKey::platform_safe(rest);
        match verb {
            "hash" => return Ok(format!("{:016x}", State::LAYOUT_HASH)),
            "text" => return Ok(State::LAYOUT.text()),
            "open_or_init" => {
                // SAFETY: the caller vouches for those who open the key.
                let state = unsafe { Shared::open_or_init(&key(), State::new) }?;
                // For as long as the program runs, as the guards of it are kept.
                self.state = Some(Box::leak(Box::new(state)));
            }
            "hold_mutex" => {
                // SAFETY: as above.
                let alone = unsafe { Shared::open(&key()) }?;
                let alone: &'static Shared<Mutex<()>> = Box::leak(Box::new(alone));
                alone.set_label("the peer");
                self.alone = Some(alone.lock()?.assume_recovered());
            }
            verb => return self.obey_on_state(verb, rest),
        }
        Ok("ok".to_owned())
    }

    fn obey_on_state(&mut self, verb: &str, rest: &str) -> Result<String> {
        let state = self.state.ok_or("open it first")?;
        match verb {
            "lock" => {
                let taken = state.frames.lock_timeout(LIMIT)?;
                let how = if taken.owner_died() { "died" } else { "clean" };
                let guard = match taken {
                    Acquired::Clean(guard) => guard,
                    Acquired::OwnerDied(recovery) => recovery.mark_recovered(),
                };
                let answer = format!("{how} {}", *guard);
                self.frames = Some(guard);
                return Ok(answer);
            }
            "put" => **self.frames.as_mut().ok_or("lock it first")? = rest.parse()?,
            "unlock" => self.frames = None,
            "write" => {
                let mut guard = state.table.write_timeout(LIMIT)?.assume_recovered();
                guard[0] = rest.parse()?;
                self.table = Some(guard);
            }
            "leave" => self.table = None,
            "read" => {
                return Ok(format!(
                    "{:?}",
                    *state.table.read_timeout(LIMIT)?.assume_recovered()
                ));
            }
            "set" => state.ready.set()?,
            "wait" => state.ready.wait_timeout(LIMIT)?,
            "notify" => state.changed.notify_all()?,
            "await" => {
                let wanted: u64 = rest.parse()?;
                let guard = state.frames.lock_timeout(LIMIT)?.assume_recovered();
                let condition = |frames: &mut u64| *frames != wanted;
                let (_guard, end) = state.changed.wait_timeout_while(guard, LIMIT, condition)?;
                return Ok(format!("timed out: {}", end.timed_out()));
            }
            "acquire" => state.permits.acquire_timeout(LIMIT)?,
            "release" => state.permits.release(rest.parse()?)?,
            "permits" => return Ok(state.permits.available().to_string()),
            "barrier" => return Ok(state.start.wait_timeout(LIMIT)?.is_leader().to_string()),
            "begin" => state.begun.call_once(|| ())?,
            "has_begun" => return Ok(state.begun.is_done().to_string()),
            "cell" => return Ok(format!("{:?}", state.cell.get())),
            "make" => {
                let value = rest.parse()?;
                return Ok(state.cell.get_or_init(|| value)?.to_string());
            }
            "hit" => {
                return Ok(state
                    .hits
                    .fetch_add(rest.parse()?, Ordering::SeqCst)
                    .to_string());
            }
            "log" => {
                let mut log = state.log.lock_timeout(LIMIT)?.assume_recovered();
                if !rest.is_empty() {
                    log.push_back(rest.parse()?);
                }
                return Ok(format!("{:?}", log.iter().collect::<Vec<_>>()));
            }
            "list" => {
                let mut list = state.list.lock_timeout(LIMIT)?.assume_recovered();
                if !rest.is_empty() {
                    list.push(rest.parse()?);
                }
                return Ok(format!("{:?}", &**list));
            }
            "show" => {
                return Ok(format!(
                    "{} {:?} {:?} {:?} {}",
                    state.name.as_str(),
                    state.samples,
                    state.corners,
                    state.mode,
                    state.is_on,
                ));
            }
            _ => return Err("there is no such order".into()),
        }
        Ok("ok".to_owned())
    }
}
