//! Layouts, as Python makes them of its annotations and finds them in segments.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use shmkit::layout::{Role, Scalar, Schema, SchemaError, Shape};
use shmkit::sync;

/// What a value's bytes are: the same as the compiler makes of the same type in Rust.
#[pyclass(module = "shmkit._shmkit", frozen, eq)]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Layout(pub(super) Arc<Schema>);

impl From<Schema> for Layout {
    fn from(schema: Schema) -> Self {
        Self(Arc::new(schema))
    }
}

fn made(schema: Result<Schema, SchemaError>) -> PyResult<Layout> {
    let schema = schema.map_err(|error| PyTypeError::new_err(error.to_string()))?;
    Ok(schema.into())
}

fn scalar(name: &str) -> PyResult<Scalar> {
    match Schema::parse(name).as_ref().map(Schema::shape) {
        Ok(Shape::Scalar(scalar)) => Ok(scalar),
        _ => Err(PyTypeError::new_err(format!(
            "there is no number type `{name}`"
        ))),
    }
}

#[pymethods]
impl Layout {
    /// Reads the text of a layout.
    #[staticmethod]
    fn parse(text: &str) -> PyResult<Self> {
        made(Schema::parse(text))
    }

    #[staticmethod]
    fn unit() -> Self {
        Schema::UNIT.into()
    }

    #[staticmethod]
    fn number(name: &str) -> PyResult<Self> {
        Ok(Schema::scalar(scalar(name)?).into())
    }

    #[staticmethod]
    fn atomic(name: &str) -> PyResult<Self> {
        Ok(Schema::atomic(scalar(name)?).into())
    }

    #[staticmethod]
    fn array(element: &Self, length: u64) -> PyResult<Self> {
        made(Schema::array(element.schema(), length))
    }

    #[staticmethod]
    fn enumeration(
        name: &str,
        version: u32,
        repr: &str,
        variants: Vec<(String, i64)>,
    ) -> PyResult<Self> {
        made(Schema::enumeration(name, version, scalar(repr)?, variants))
    }

    #[staticmethod]
    fn structure(
        name: &str,
        version: u32,
        fields: Vec<(String, Bound<'_, Self>)>,
    ) -> PyResult<Self> {
        let fields = fields
            .into_iter()
            .map(|(name, layout)| (name, layout.get().schema()));
        made(Schema::structure(name, version, fields))
    }

    #[staticmethod]
    fn array_vec(element: &Self, capacity: u32) -> PyResult<Self> {
        made(Schema::array_vec(element.schema(), capacity))
    }

    #[staticmethod]
    fn array_string(capacity: u32) -> PyResult<Self> {
        made(Schema::array_string(capacity))
    }

    #[staticmethod]
    fn ring_buffer(element: &Self, capacity: u32) -> PyResult<Self> {
        made(Schema::ring_buffer(element.schema(), capacity))
    }

    /// A primitive of that name, around `data` if it protects some.
    #[staticmethod]
    fn primitive(name: &str, data: &Self) -> PyResult<Self> {
        let data = data.schema();
        match name {
            "Mutex" => made(Schema::mutex(data)),
            "RecursiveMutex" => made(Schema::recursive_mutex(data)),
            "RwLock" => made(Schema::rw_lock(data)),
            "OnceCell" => made(Schema::once_cell(data)),
            "Once" => Ok(Schema::of::<sync::Once>().into()),
            "Event" => Ok(Schema::of::<sync::Event>().into()),
            "Condvar" => Ok(Schema::of::<sync::Condvar>().into()),
            "Barrier" => Ok(Schema::of::<sync::Barrier>().into()),
            "Semaphore" => Ok(Schema::of::<sync::Semaphore>().into()),
            _ => Err(PyTypeError::new_err(format!(
                "there is no primitive `{name}`"
            ))),
        }
    }

    /// The text, as it is in the segment.
    #[getter]
    fn text(&self) -> String {
        self.0.text()
    }

    /// What two programs compare.
    #[getter]
    fn hash(&self) -> u64 {
        self.0.hash()
    }

    #[getter]
    fn size(&self) -> u64 {
        self.0.size()
    }

    #[getter]
    fn align(&self) -> u32 {
        self.0.align()
    }

    /// The name of the type; what it is called if it has none.
    #[getter]
    fn name(&self) -> String {
        self.0.to_string()
    }

    #[getter]
    fn version(&self) -> u32 {
        match self.0.shape() {
            Shape::Enum { version, .. } | Shape::Composite { version, .. } => version,
            _ => 1,
        }
    }

    /// What it is made of: `unit`, `number`, `atomic`, `array`, `enum`, `struct`, `sync`, `list`,
    /// `text` or `ring`.
    #[getter]
    fn kind(&self) -> &'static str {
        match self.0.shape() {
            Shape::Unit => "unit",
            Shape::Scalar(_) => "number",
            Shape::Atomic(_) => "atomic",
            Shape::Array { .. } => "array",
            Shape::Enum { .. } => "enum",
            Shape::Composite { role, .. } => role.name(),
            _ => "something new",
        }
    }

    /// The number that it is, or is stored as.
    #[getter]
    fn scalar(&self) -> Option<&'static str> {
        match self.0.shape() {
            Shape::Scalar(scalar) | Shape::Atomic(scalar) | Shape::Enum { repr: scalar, .. } => {
                Some(scalar.name())
            }
            _ => None,
        }
    }

    /// What an array, or the items of a collection, are.
    #[getter]
    fn element(&self) -> Option<Self> {
        self.items().map(|(element, _)| element.clone().into())
    }

    /// How many there are, or may be.
    #[getter]
    fn length(&self) -> Option<u64> {
        self.items().map(|(_, length)| length)
    }

    #[getter]
    fn variants(&self) -> Vec<(String, i64)> {
        match self.0.shape() {
            Shape::Enum { variants, .. } => variants
                .iter()
                .map(|variant| (variant.name().to_owned(), variant.value()))
                .collect(),
            _ => Vec::new(),
        }
    }

    #[getter]
    fn fields(&self) -> Vec<(String, Self)> {
        match self.0.shape() {
            Shape::Composite { fields, .. } => fields
                .iter()
                .map(|field| (field.name().to_owned(), field.schema().clone().into()))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// What differs from what was found elsewhere, in words.
    fn differences(&self, found: &Self) -> String {
        self.0.differences(&found.0).to_string()
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.hash().hash(&mut hasher);
        hasher.finish()
    }

    fn __repr__(&self) -> String {
        format!("Layout({:?})", self.0.text())
    }

    fn __reduce__(slf: &Bound<'_, Self>) -> PyResult<(Py<PyAny>, (String,))> {
        let parse = slf.getattr("parse")?.unbind();
        Ok((parse, (slf.get().text(),)))
    }
}

impl Layout {
    fn schema(&self) -> Schema {
        Schema::clone(&self.0)
    }

    fn items(&self) -> Option<(&Schema, u64)> {
        let items = match self.0.shape() {
            Shape::Array { .. } => &*self.0,
            Shape::Composite {
                role: Role::List | Role::Ring,
                ..
            } => self.0.field("items")?.schema(),
            Shape::Composite {
                role: Role::Text, ..
            } => self.0.field("bytes")?.schema(),
            _ => return None,
        };
        match items.shape() {
            Shape::Array { element, len } => Some((element, len)),
            _ => None,
        }
    }
}
