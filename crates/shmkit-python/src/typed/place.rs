//! A value, or a part of one, in a typed segment.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{
    AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicU8, AtomicU16, AtomicU32, AtomicU64,
};

use pyo3::exceptions::{PyIndexError, PyTypeError};
use pyo3::prelude::*;
use shmkit::layout::{Role, Scalar, Schema, Shape};
use shmkit::mapping::{Ro, Rw, View};
use shmkit::typed::Dynamic;

use super::guard::Hold;
use super::layout::Layout;
use super::segment::Ground;
use super::value::{self, Way};
use crate::buffer::{Buffer, Region, Uses};
use crate::error::Failure;

/// Where a value is, and by what lock it may be reached.
#[pyclass(module = "shmkit._shmkit", frozen)]
#[derive(Clone)]
pub(crate) struct Place {
    ground: Arc<Ground>,
    layout: Layout,
    /// In bytes from the beginning of the segment's value.
    offset: usize,
    /// The lock that protects it; `None` if it is outside of all locks.
    hold: Option<Arc<Hold>>,
    path: Arc<str>,
}

impl Place {
    pub(super) fn root(ground: &Arc<Ground>, layout: &Layout) -> Self {
        Self {
            ground: Arc::clone(ground),
            layout: layout.clone(),
            offset: 0,
            hold: None,
            path: layout.0.to_string().into(),
        }
    }

    fn part(&self, schema: &Schema, offset: u64, name: &str) -> Self {
        Self {
            layout: schema.clone().into(),
            offset: self.offset + offset as usize,
            path: format!("{}{name}", self.path).into(),
            ..self.clone()
        }
    }

    /// Where the data are that the lock here protects.
    pub(super) fn data(&self) -> PyResult<Self> {
        let data = self.layout.0.field("data");
        let data = data.ok_or_else(|| PyTypeError::new_err("it is no lock around anything"))?;
        Ok(self.part(data.schema(), data.offset(), ""))
    }

    /// The same for one who holds the lock that protects it.
    pub(super) fn under(&self, hold: &Arc<Hold>) -> Self {
        Self {
            hold: Some(Arc::clone(hold)),
            ..self.clone()
        }
    }

    /// The value of a cell, for one who knows that it has been made.
    pub(super) fn made(&self) -> PyResult<Self> {
        let value = self.layout.0.field("value");
        let value = value.ok_or_else(|| PyTypeError::new_err("it is no cell for a value"))?;
        Ok(self.part(value.schema(), value.offset(), ""))
    }

    pub(super) fn ground(&self) -> &Arc<Ground> {
        &self.ground
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset as u64
    }

    fn size(&self) -> usize {
        self.layout.0.size() as usize
    }

    fn read<R>(&self, act: impl FnOnce(View<'_, Ro>) -> shmkit::Result<R>) -> PyResult<R> {
        let range = self.offset..self.offset + self.size();
        let read = |segment: &Dynamic| segment.bytes().get(range).and_then(act);
        let done = match &self.hold {
            Some(hold) => hold.with(false, read)?,
            None => read(&*self.ground.segment()?),
        };
        Ok(done.map_err(Failure::from)?)
    }

    fn bytes(&self) -> PyResult<Vec<u8>> {
        self.read(|view| Ok(view.to_vec()))
    }

    /// Puts bytes there that [`value::encode`] made.
    fn write(&self, bytes: &[u8]) -> PyResult<()> {
        let range = self.offset..self.offset + self.size();
        let write = |segment: &Dynamic| {
            segment
                .bytes_mut()
                .and_then(|view| view.get(range))
                .and_then(|view| view.copy_from(0, bytes))
        };
        let done = match &self.hold {
            Some(hold) => hold.with(true, write)?,
            None => return Err(self.is_constant()),
        };
        Ok(done.map_err(Failure::from)?)
    }

    /// Puts the bytes there before others see the value that it is in.
    pub(super) fn initialize(&self, segment: &Dynamic, bytes: &[u8]) -> shmkit::Result<()> {
        segment.bytes_mut()?.copy_from(self.offset, bytes)
    }

    /// The bytes for an object.
    pub(super) fn encode(&self, object: &Bound<'_, PyAny>, is_initial: bool) -> PyResult<Vec<u8>> {
        let mut bytes = match is_initial {
            true => vec![0; self.size()],
            false => self.bytes()?,
        };
        let path = || self.path.to_string();
        let way = Way {
            path: &path,
            is_initial,
        };
        value::encode(&self.layout.0, object, &mut bytes, way)?;
        Ok(bytes)
    }

    /// The bits of an object for an atomic.
    fn word(&self, object: Option<&Bound<'_, PyAny>>) -> PyResult<[u8; 8]> {
        let mut word = [0; 8];
        if let Some(object) = object {
            let bytes = self.encode(object, true)?;
            let room = word.get_mut(..bytes.len());
            let room = room.ok_or_else(|| self.is_not_atomic("it"))?;
            room.copy_from_slice(&bytes);
        }
        Ok(word)
    }

    fn operate(&self, operation: &str, value: [u8; 8], expected: [u8; 8]) -> PyResult<Vec<u8>> {
        let Shape::Atomic(scalar) = self.layout.0.shape() else {
            return Err(self.is_not_atomic(operation));
        };
        if let Some(hold) = &self.hold {
            hold.with(false, |_| ())?;
        }
        let segment = self.ground.segment()?;
        let done = operate(scalar, &segment, self.offset, operation, (value, expected));
        done.map_err(Failure::from)?
            .ok_or_else(|| self.is_not_atomic(operation))
    }

    fn is_not_atomic(&self, operation: &str) -> PyErr {
        PyTypeError::new_err(format!(
            "{}: `{operation}` is not for `{}`",
            self.path, self.layout.0
        ))
    }

    fn is_constant(&self) -> PyErr {
        PyTypeError::new_err(format!(
            "{}: it is outside of every lock, where values are only written by `init`; put it \
             into a Mutex or a RwLock, or make it Atomic",
            self.path
        ))
    }
}

#[pymethods]
impl Place {
    #[getter]
    fn layout(&self) -> Layout {
        self.layout.clone()
    }

    /// Where it is, in words.
    #[getter]
    fn path(&self) -> &str {
        &self.path
    }

    /// The value as a Python object.
    pub(super) fn get(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        value::decode(py, &self.layout.0, &self.bytes()?)
    }

    /// Puts a value there, all of it or nothing.
    fn set(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        if matches!(self.layout.0.shape(), Shape::Atomic(_)) {
            return Err(PyTypeError::new_err(format!(
                "{}: it is atomic: use its `store`",
                self.path
            )));
        }
        if self.hold.is_none() {
            return Err(self.is_constant());
        }
        self.write(&self.encode(value, false)?)
    }

    /// A field of a struct, or of a collection.
    fn field(&self, name: &str) -> PyResult<Self> {
        let is_open = !matches!(
            self.layout.0.shape(),
            Shape::Composite {
                role: Role::Sync,
                ..
            }
        );
        match self.layout.0.field(name).filter(|_| is_open) {
            Some(field) => Ok(self.part(field.schema(), field.offset(), &format!(".{name}"))),
            None => Err(PyTypeError::new_err(format!(
                "{}: there is no field `{name}`",
                self.path
            ))),
        }
    }

    /// An element of an array.
    fn item(&self, index: u64) -> PyResult<Self> {
        let Shape::Array { element, len } = self.layout.0.shape() else {
            return Err(PyTypeError::new_err(format!(
                "{}: it is no array",
                self.path
            )));
        };
        if index >= len {
            return Err(PyIndexError::new_err(format!(
                "{}: there are {len} elements",
                self.path
            )));
        }
        Ok(self.part(element, index * element.size(), &format!("[{index}]")))
    }

    /// An operation on an atomic; what was there before.
    #[pyo3(signature = (operation, value=None))]
    fn atomic(
        &self,
        py: Python<'_>,
        operation: &str,
        value: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let before = self.operate(operation, self.word(value)?, [0; 8])?;
        value::decode(py, &self.layout.0, &before)
    }

    /// Puts a value there if the expected one is there; whether it was.
    fn compare_exchange(
        &self,
        expected: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        let expected = self.word(Some(expected))?;
        let before = self.operate("compare_exchange", self.word(Some(value))?, expected)?;
        Ok(expected.starts_with(&before))
    }

    /// An array of numbers, where it is.
    fn view(&self, py: Python<'_>) -> PyResult<Buffer> {
        let Some((shape, item)) = shape_of_numbers(&self.layout.0) else {
            return Err(PyTypeError::new_err(format!(
                "{}: only an array of numbers can be looked at where it lies",
                self.path
            )));
        };
        let segment = self.ground.segment()?;
        let (may_write, used) = match &self.hold {
            Some(hold) => hold.export(&self.path)?,
            None => (false, Arc::<Uses>::default().begin("")),
        };
        let hold = self.hold.clone();
        let kept = Kept { segment, hold };
        let range = self.offset..self.offset + self.size();
        let bytes = kept.segment.bytes().get(range).map_err(Failure::from)?;
        let region = Region {
            start: bytes.as_ptr().cast_mut(),
            len: bytes.len(),
            is_read_only: !may_write,
        };
        let shape = shape.into_pyobject(py)?;
        Buffer::bytes(Arc::new(kept), region, used).shaped(Some(&shape), item)
    }
}

/// What was there before; `None` if there is no such operation.
fn operate(
    scalar: Scalar,
    segment: &Dynamic,
    offset: usize,
    operation: &str,
    (value, expected): ([u8; 8], [u8; 8]),
) -> shmkit::Result<Option<Vec<u8>>> {
    macro_rules! on {
        ($atomic:ident, $number:ident, $counts:expr) => {{
            let number = |word: [u8; 8]| {
                let bytes = word.first_chunk().expect("no number is larger");
                $number::from_ne_bytes(*bytes)
            };
            if operation == "load" {
                let word = segment.bytes().atomic_load::<$atomic>(offset)?;
                return Ok(Some(word.load(SeqCst).to_ne_bytes().to_vec()));
            }
            let (view, value) = (segment.bytes_mut()?, number(value));
            let word = atomic::<$atomic>(view, offset)?;
            let before = match operation {
                "store" | "swap" => word.swap(value, SeqCst),
                "compare_exchange" => word
                    .compare_exchange(number(expected), value, SeqCst, SeqCst)
                    .unwrap_or_else(|before| before),
                "add" if $counts => word.fetch_add(value, SeqCst),
                "sub" if $counts => word.fetch_sub(value, SeqCst),
                "max" if $counts => word.fetch_max(value, SeqCst),
                "min" if $counts => word.fetch_min(value, SeqCst),
                "and" if $counts => word.fetch_and(value, SeqCst),
                "or" if $counts => word.fetch_or(value, SeqCst),
                "xor" if $counts => word.fetch_xor(value, SeqCst),
                _ => return Ok(None),
            };
            Ok(Some(before.to_ne_bytes().to_vec()))
        }};
    }
    match scalar {
        Scalar::U8 => on!(AtomicU8, u8, true),
        Scalar::U16 => on!(AtomicU16, u16, true),
        Scalar::U32 => on!(AtomicU32, u32, true),
        Scalar::U64 => on!(AtomicU64, u64, true),
        Scalar::I8 => on!(AtomicI8, i8, true),
        Scalar::I16 => on!(AtomicI16, i16, true),
        Scalar::I32 => on!(AtomicI32, i32, true),
        Scalar::I64 => on!(AtomicI64, i64, true),
        Scalar::Bool => on!(AtomicU8, u8, false),
        Scalar::F32 => on!(AtomicU32, u32, false),
        Scalar::F64 => on!(AtomicU64, u64, false),
        _ => Ok(None),
    }
}

fn atomic<T: shmkit::mapping::Atomic>(view: View<'_, Rw>, offset: usize) -> shmkit::Result<&T> {
    view.atomic(offset)
}

/// What a buffer keeps: the segment, and the lock that protects what it shows.
struct Kept {
    segment: Arc<Dynamic>,
    hold: Option<Arc<Hold>>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(hold) = &self.hold {
            hold.forget_export();
        }
    }
}

/// The shape of an array of arrays, and what is in it; any bytes are numbers, but not any a bool or a
/// variant.
fn shape_of_numbers(schema: &Schema) -> Option<(Vec<u64>, &'static str)> {
    let mut shape = Vec::new();
    let mut schema = schema;
    while let Shape::Array { element, len } = schema.shape() {
        shape.push(len);
        schema = element;
    }
    let item = match schema.shape() {
        _ if shape.is_empty() => return None,
        Shape::Scalar(Scalar::U8) => "uint8",
        Shape::Scalar(Scalar::U16) => "uint16",
        Shape::Scalar(Scalar::U32) => "uint32",
        Shape::Scalar(Scalar::U64) => "uint64",
        Shape::Scalar(Scalar::I8) => "int8",
        Shape::Scalar(Scalar::I16) => "int16",
        Shape::Scalar(Scalar::I32) => "int32",
        Shape::Scalar(Scalar::I64) => "int64",
        Shape::Scalar(Scalar::F32) => "float32",
        Shape::Scalar(Scalar::F64) => "float64",
        _ => return None,
    };
    Some((shape, item))
}
