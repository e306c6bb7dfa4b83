//! Segments from one process to another: through sockets, to children, by a name.

use std::os::fd::{AsFd as _, AsRawFd as _, IntoRawFd as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use shmkit::Access;
use shmkit::os::handover::{self, Called, Meeting};

use crate::arguments::{Timeout, descriptor, one_of};
use crate::error::Failure;
use crate::sealed::Sealed;
use crate::segment::SharedMemory;
use crate::segment::options::{self, access, names_of_seals};
use crate::wait::wait;

/// A segment on its way, with what the sender says about it. It can be taken once.
#[pyclass(module = "shmkit.handover", frozen)]
pub(crate) struct Parcel(Mutex<Option<handover::Parcel>>, handover::Description);

impl Parcel {
    fn of(parcel: handover::Parcel) -> Self {
        let description = parcel.description().clone();
        Self(Mutex::new(Some(parcel)), description)
    }

    fn slot(&self) -> MutexGuard<'_, Option<handover::Parcel>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> PyResult<handover::Parcel> {
        let parcel = self.slot().take();
        parcel.ok_or_else(|| PyValueError::new_err("the parcel has been taken"))
    }
}

#[pymethods]
impl Parcel {
    /// What the sender calls it: a key, the name of a memfd, a path.
    #[getter]
    fn name(&self) -> String {
        match &self.1.called {
            Called::Name(text) | Called::Key(text) | Called::Path(text) => text.clone(),
            other => other.to_string(),
        }
    }

    /// The size, as the sender says.
    #[getter]
    fn size(&self) -> u64 {
        self.1.size
    }

    /// Whether it can only be read.
    #[getter]
    fn readonly(&self) -> bool {
        self.1.access == Access::ReadOnly
    }

    /// Its seals, as the sender says.
    #[getter]
    fn seals(&self) -> Vec<&'static str> {
        names_of_seals(self.1.seals)
    }

    /// Attaches to it. Size, owner, access and ``demand_seals`` are checked on the segment itself,
    /// whatever the sender says.
    #[pyo3(signature = (**options))]
    fn attach(
        &self,
        py: Python<'_>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<SharedMemory> {
        let mut given = options::read(options)?;
        if self.readonly() {
            given.access(Access::ReadOnly);
        }
        let parcel = self.take()?;
        wait(py, || parcel.attach(&given)).map(SharedMemory::of)
    }

    /// Takes it as sealed memory.
    fn sealed(&self) -> PyResult<Sealed> {
        let memory = self.take()?.sealed().map_err(Failure::from)?;
        Ok(Sealed::of(memory))
    }

    /// The descriptor, which stays the parcel's.
    fn fileno(&self) -> PyResult<i32> {
        let slot = self.slot();
        let fd = slot.as_ref().map(|parcel| parcel.as_fd().as_raw_fd());
        fd.ok_or_else(|| PyValueError::new_err("the parcel has been taken"))
    }

    /// The descriptor, which is the caller's to close from now on.
    fn detach(&self) -> PyResult<i32> {
        Ok(self.take()?.into_fd().into_raw_fd())
    }

    fn __repr__(&self) -> String {
        format!("<shmkit.handover.Parcel {}>", self.1.called)
    }
}

/// The segments and the sealed memory that are to go.
fn pack(given: &Bound<'_, PyTuple>, is_read_only: bool) -> PyResult<Vec<handover::Parcel>> {
    let pack = |object: Bound<'_, PyAny>| {
        let packed = match object.cast::<Sealed>() {
            Ok(sealed) => handover::Parcel::of_sealed(&*sealed.get().memory()?),
            Err(_) => {
                let segment = object.cast::<SharedMemory>()?.get().segment()?;
                let is_read_only = is_read_only || segment.access() == Access::ReadOnly;
                handover::Parcel::new(&segment, access(is_read_only))
            }
        };
        Ok(packed.map_err(Failure::from)?)
    };
    given.iter().map(pack).collect()
}

/// Sends segments and sealed memory through a connected Unix socket, all in one message; with
/// ``readonly`` the receiver can only read them. Waits for room for ``timeout`` seconds at most.
#[pyfunction]
#[pyo3(signature = (socket, /, *segments, readonly=false, timeout=Timeout::THIRTY_SECONDS))]
pub(crate) fn send(
    py: Python<'_>,
    socket: &Bound<'_, PyAny>,
    segments: &Bound<'_, PyTuple>,
    readonly: bool,
    timeout: Timeout,
) -> PyResult<()> {
    let parcels = pack(segments, readonly)?;
    let socket = descriptor(socket)?;
    wait(py, || handover::send_within(&socket, &parcels, timeout.0))
}

/// Receives the segments of one message, and waits for it for ``timeout`` seconds at most.
#[pyfunction]
#[pyo3(signature = (socket, /, timeout=Timeout::THIRTY_SECONDS))]
pub(crate) fn receive(
    py: Python<'_>,
    socket: &Bound<'_, PyAny>,
    timeout: Timeout,
) -> PyResult<Vec<Parcel>> {
    let socket = descriptor(socket)?;
    let parcels = wait(py, || handover::receive(&socket, timeout.0))?;
    Ok(parcels.into_iter().map(Parcel::of).collect())
}

/// The segment that the parent handed over in an environment variable. Each can be taken once.
#[pyfunction]
#[pyo3(signature = (variable, /))]
pub(crate) fn inherited(variable: &str) -> PyResult<Parcel> {
    let parcel = handover::inherited(variable).map_err(Failure::from)?;
    Ok(Parcel::of(parcel))
}

/// Takes a segment out of another process by the number of its descriptor there, where the system lets
/// this user look into that process as a debugger does; the descriptor is the caller's to close.
#[pyfunction]
#[pyo3(signature = (pid, fd, /))]
pub(crate) fn from_process(pid: u32, fd: i32) -> PyResult<i32> {
    let fd = handover::from_process(pid, fd).map_err(Failure::from)?;
    Ok(fd.into_raw_fd())
}

/// A name at which one program gives segments to others.
///
/// ``meeting`` is ``"abstract"``, a name in the kernel that everybody in the same network namespace
/// reaches, or ``"runtime_directory"``, a socket that only this user reaches. The first is the default
/// on Linux, the second where there is no other. ``owners`` says from
/// whom, and to whom: ``"mine"``, ``"anyone"``, or the number of a user.
#[pyclass(module = "shmkit.handover", frozen)]
pub(crate) struct Rendezvous(handover::Rendezvous);

#[pymethods]
impl Rendezvous {
    #[new]
    #[pyo3(signature = (name, /, *, meeting=None, owners=None, user=None))]
    fn new(
        name: &str,
        meeting: Option<&Bound<'_, PyAny>>,
        owners: Option<&Bound<'_, PyAny>>,
        user: Option<u32>,
    ) -> PyResult<Self> {
        let words = [
            ("abstract", Meeting::Abstract),
            ("runtime_directory", Meeting::RuntimeDirectory),
        ];
        let mut made = handover::Rendezvous::new(name);
        if let Some(meeting) = meeting {
            made.meeting(one_of("meeting", meeting, &words)?);
        }
        if let Some(owners) = owners {
            made.owners(options::owners(owners)?);
        }
        if let Some(user) = user {
            made.of_user(user);
        }
        Ok(Self(made))
    }

    /// Takes the name, and gives these segments to those who come to ``Server.hand_out``.
    #[pyo3(signature = (*segments, readonly=false))]
    fn serve(&self, segments: &Bound<'_, PyTuple>, readonly: bool) -> PyResult<Server> {
        let parcels = pack(segments, readonly)?;
        let server = self.0.serve(parcels).map_err(Failure::from)?;
        Ok(Server(Mutex::new(Some(server.into()))))
    }

    /// Waits for somebody who has the name, and takes what it gives.
    #[pyo3(signature = (timeout=Timeout::THIRTY_SECONDS))]
    fn fetch(&self, py: Python<'_>, timeout: Timeout) -> PyResult<Vec<Parcel>> {
        let parcels = wait(py, || self.0.fetch(timeout.0))?;
        Ok(parcels.into_iter().map(Parcel::of).collect())
    }
}

/// Has a name, and gives what it has to those who come.
#[pyclass(module = "shmkit.handover", frozen)]
pub(crate) struct Server(Mutex<Option<std::sync::Arc<handover::Server>>>);

impl Server {
    fn slot(&self) -> MutexGuard<'_, Option<std::sync::Arc<handover::Server>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn server(&self) -> PyResult<std::sync::Arc<handover::Server>> {
        let server = self.slot().clone();
        server.ok_or_else(|| PyValueError::new_err("the server is closed"))
    }
}

#[pymethods]
impl Server {
    /// Waits for somebody who comes, and gives it the segments; its ``(pid, user, group)``, or ``None``
    /// if nobody came in time. One whom ``owners`` does not admit goes with empty hands.
    #[pyo3(signature = (timeout=Timeout::EVER))]
    fn hand_out(&self, py: Python<'_>, timeout: Timeout) -> PyResult<Option<(u32, u32, u32)>> {
        let server = self.server()?;
        let peer = wait(py, || server.hand_out(timeout.0))?;
        Ok(peer.map(|peer| (peer.pid, peer.user, peer.group)))
    }

    /// Can be read from when somebody waits for ``hand_out``.
    fn fileno(&self) -> PyResult<i32> {
        Ok(self.server()?.as_fd().as_raw_fd())
    }

    /// Gives the name back.
    fn close(&self) {
        drop(self.slot().take());
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyTuple>) {
        self.close();
    }
}

/// Gives sealed memory by a name, in a thread of its own, until it is closed.
#[pyclass(module = "shmkit.handover", frozen)]
pub(crate) struct Published(Mutex<Option<handover::Published>>);

#[pymethods]
impl Published {
    /// Gives the name back.
    fn close(&self, py: Python<'_>) {
        let slot = self.0.lock();
        let published = slot.unwrap_or_else(PoisonError::into_inner).take();
        py.detach(|| drop(published));
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) {
        self.close(py);
    }
}

/// Gives sealed memory by a name, in a thread of its own, until what this returns is closed.
#[pyfunction]
#[pyo3(signature = (name, memory, /))]
pub(crate) fn publish(name: &str, memory: &Bound<'_, Sealed>) -> PyResult<Published> {
    let memory = memory.get().memory()?;
    let published = handover::publish(name, &memory).map_err(Failure::from)?;
    Ok(Published(Mutex::new(Some(published))))
}

/// Takes sealed memory that a program of this user gives by a name, and waits for it.
#[pyfunction]
#[pyo3(signature = (name, /, timeout=Timeout::THIRTY_SECONDS))]
pub(crate) fn fetch(py: Python<'_>, name: &str, timeout: Timeout) -> PyResult<Sealed> {
    wait(py, || handover::fetch(name, timeout.0)).map(Sealed::of)
}
