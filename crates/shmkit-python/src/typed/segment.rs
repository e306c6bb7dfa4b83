//! A typed segment, attached.
#![expect(unsafe_code, reason = "the act of trust of typed segments")]

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use shmkit::key::NativeIpcKey;
use shmkit::mapping::{Rw, View};
use shmkit::typed::{Dynamic, Location};
use shmkit::{Access, Options};

use super::layout::Layout;
use super::part::limit;
use super::place::Place;
use super::value::{self, Way};
use crate::error::of_kind;
use crate::key::KeyArg;
use crate::wait;

/// What all that refer into a segment share: it, until it is closed.
#[derive(Debug)]
pub(super) struct Ground(Mutex<Option<Arc<Dynamic>>>);

impl Ground {
    fn state(&self) -> MutexGuard<'_, Option<Arc<Dynamic>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The segment, which stays attached for as long as the answer lives.
    pub(super) fn segment(&self) -> PyResult<Arc<Dynamic>> {
        let segment = self.state().clone();
        segment.ok_or_else(|| PyValueError::new_err("the segment is closed"))
    }

    fn close(&self) -> PyResult<Option<Dynamic>> {
        let mut state = self.state();
        let Some(segment) = state.take() else {
            return Ok(None);
        };
        Arc::try_unwrap(segment).map(Some).map_err(|segment| {
            let uses = Arc::strong_count(&segment) - 1;
            *state = Some(segment);
            let why = format!("cannot close it: {uses} held locks, waits or views of it are alive");
            of_kind("StillInUseError", why)
        })
    }
}

/// A segment whose value has a layout.
#[pyclass(module = "shmkit._shmkit", frozen, weakref)]
pub(crate) struct TypedSegment {
    ground: Arc<Ground>,
    layout: Layout,
}

/// Where a segment is: a text is a key, and a path is one.
#[derive(FromPyObject)]
enum Spot {
    Key(KeyArg),
    File(PathBuf),
}

/// The same, understood.
enum Found {
    Key(NativeIpcKey),
    File(PathBuf),
}

impl Spot {
    fn find(self) -> PyResult<Found> {
        Ok(match self {
            Self::Key(key) => Found::Key(key.key()?),
            Self::File(path) => Found::File(path),
        })
    }
}

impl Found {
    fn location(&self) -> Location<'_> {
        match self {
            Self::Key(key) => key.into(),
            Self::File(path) => path.into(),
        }
    }
}

fn options(mode: u32, timeout: Option<f64>) -> PyResult<Options> {
    let mut options = Options::new();
    options.mode(mode);
    options.lock_timeout(limit(timeout)?);
    Ok(options)
}

fn new(dynamic: Dynamic, layout: Option<&Layout>) -> TypedSegment {
    let layout = layout.cloned();
    let layout = layout.unwrap_or_else(|| dynamic.schema().clone().into());
    let ground = Ground(Mutex::new(Some(Arc::new(dynamic))));
    let ground = Arc::new(ground);
    TypedSegment { ground, layout }
}

/// The bytes of a value that Python gives, where it gives one; zeros otherwise.
fn initial(layout: &Layout, value: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Vec<u8>>> {
    let Some(value) = value else { return Ok(None) };
    let size = usize::try_from(layout.0.size())?;
    let mut bytes = vec![0; size];
    let path = || layout.0.to_string();
    let way = Way {
        path: &path,
        is_initial: true,
    };
    value::encode(&layout.0, value, &mut bytes, way)?;
    Ok(Some(bytes))
}

fn put(view: View<'_, Rw>, bytes: Option<&[u8]>) {
    if let Some(bytes) = bytes {
        view.copy_from(0, bytes)
            .expect("it is as long as the layout says");
    }
}

#[pymethods]
impl TypedSegment {
    /// Creates a segment with this initial value.
    #[staticmethod]
    fn create(
        py: Python<'_>,
        spot: Spot,
        layout: &Layout,
        init: Option<&Bound<'_, PyAny>>,
        mode: u32,
        timeout: Option<f64>,
    ) -> PyResult<Self> {
        let found = spot.find()?;
        let options = options(mode, timeout)?;
        let bytes = initial(layout, init)?;
        let fill = |view: View<'_, Rw>| {
            put(view, bytes.as_deref());
            Ok::<(), Infallible>(())
        };
        // SAFETY: whoever opens a typed segment from Python vouches for the others who may; this
        // package writes values of the type only, where the rules allow it.
        let create =
            || unsafe { Dynamic::create_with(&options, found.location(), &layout.0, fill) };
        let Ok(made) = wait::wait(py, create)?;
        Ok(new(made, Some(layout)))
    }

    /// Opens a segment, or creates it with what `init` makes: called by one of all, or a value.
    #[staticmethod]
    fn open_or_init(
        py: Python<'_>,
        spot: Spot,
        layout: &Layout,
        init: Option<Py<PyAny>>,
        mode: u32,
        timeout: Option<f64>,
    ) -> PyResult<Self> {
        let found = spot.find()?;
        let options = options(mode, timeout)?;
        let fill = |view: View<'_, Rw>| {
            // The turn is this thread's; whatever Python does meanwhile, others wait for it.
            let bytes = Python::attach(|py| {
                let init = init.as_ref().map(|init| init.bind(py));
                match init {
                    Some(init) if init.is_callable() => initial(layout, Some(&init.call0()?)),
                    value => initial(layout, value),
                }
            })?;
            put(view, bytes.as_deref());
            Ok::<(), PyErr>(())
        };
        let open = || {
            let location = found.location();
            // SAFETY: as in `create`.
            unsafe { Dynamic::open_or_init_with(&options, location, &layout.0, fill) }
        };
        let made = wait::wait(py, open)??;
        Ok(new(made, Some(layout)))
    }

    /// Opens a segment of this layout, or of the one that it describes itself.
    #[staticmethod]
    fn open(
        py: Python<'_>,
        spot: Spot,
        layout: Option<&Layout>,
        readonly: bool,
        timeout: Option<f64>,
    ) -> PyResult<Self> {
        let found = spot.find()?;
        let options = options(0o600, timeout)?;
        let access = match readonly {
            true => Access::ReadOnly,
            false => Access::ReadWrite,
        };
        let schema = layout.map(|layout| &*layout.0);
        // SAFETY: as in `create`.
        let open = || unsafe { Dynamic::open_with(&options, found.location(), access, schema) };
        let opened = wait::wait(py, open)?;
        Ok(new(opened, layout))
    }

    #[getter]
    fn layout(&self) -> Layout {
        self.layout.clone()
    }

    /// The key in its text form; `None` for a file.
    #[getter]
    fn key(&self) -> PyResult<Option<String>> {
        let segment = self.ground.segment()?;
        Ok(segment.segment().key().map(ToString::to_string))
    }

    /// What messages call it.
    #[getter]
    fn name(&self) -> PyResult<String> {
        Ok(self.ground.segment()?.segment().name())
    }

    #[getter]
    fn readonly(&self) -> PyResult<bool> {
        let segment = self.ground.segment()?;
        Ok(segment.segment().access() == Access::ReadOnly)
    }

    #[getter]
    fn closed(&self) -> bool {
        self.ground.state().is_none()
    }

    /// Sets what messages of other processes call this one; whether there was a place for it.
    fn set_label(&self, label: &str) -> PyResult<bool> {
        Ok(self.ground.segment()?.set_label(label))
    }

    /// The value.
    #[getter]
    fn place(&self) -> Place {
        Place::root(&self.ground, &self.layout)
    }

    /// Detaches. What still holds or waits for something in it is an error, and keeps it attached.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let segment = self.ground.close()?;
        py.detach(|| segment.map(Dynamic::detach))
            .transpose()
            .map(drop)
            .map_err(crate::error::Failure::from)?;
        Ok(())
    }
}
