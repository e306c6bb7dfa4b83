//! Values, between Python's objects and the bytes that a layout says.
//!
//! Both work on a private copy: while it is made of the segment's bytes, or the other way round, no
//! Python runs.

use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyMapping, PyString};
use shmkit::layout::{Role, Scalar, Schema, SchemaField, Shape};
use shmkit::sync;

use super::place::Place;

/// The object for the value in `bytes`.
pub(super) fn decode(py: Python<'_>, schema: &Schema, bytes: &[u8]) -> PyResult<Py<PyAny>> {
    match schema.shape() {
        Shape::Unit => Ok(py.None()),
        Shape::Scalar(scalar) | Shape::Atomic(scalar) => number(py, scalar, bytes),
        Shape::Enum { repr, .. } => number(py, repr, bytes),
        Shape::Array { element, len } => {
            elements(py, element, &bytes[..size(schema)], (0, len), len)
        }
        Shape::Composite {
            role: Role::Text, ..
        } => {
            let (_, len, text) = collection(schema, bytes)?;
            let text = &text[..len as usize];
            let good = std::str::from_utf8(text).unwrap_or_else(|error| {
                let good = &text[..error.valid_up_to()];
                std::str::from_utf8(good).unwrap_or_default()
            });
            Ok(PyString::new(py, good).into_any().unbind())
        }
        Shape::Composite {
            role: Role::List | Role::Ring,
            ..
        } => {
            let (first, len, items) = collection(schema, bytes)?;
            let (element, capacity) = items_of(schema)?;
            elements(py, element, items, (first, len), capacity)
        }
        Shape::Composite {
            role: Role::Struct,
            fields,
            ..
        } => {
            let dict = PyDict::new(py);
            for field in fields {
                // What has a life of its own is no part of a value.
                if has_no_value(field.schema()) {
                    continue;
                }
                let part = &bytes[field.offset() as usize..];
                dict.set_item(field.name(), decode(py, field.schema(), part)?)?;
            }
            Ok(dict.into_any().unbind())
        }
        _ => Err(PyTypeError::new_err(format!(
            "a `{schema}` has no value of its own"
        ))),
    }
}

fn has_no_value(schema: &Schema) -> bool {
    match schema.shape() {
        Shape::Composite {
            role: Role::Sync, ..
        } => true,
        Shape::Array { element, .. } => has_no_value(element),
        _ => false,
    }
}

/// `len` elements of so many, from `first` on and round.
fn elements(
    py: Python<'_>,
    element: &Schema,
    bytes: &[u8],
    (first, len): (u64, u64),
    capacity: u64,
) -> PyResult<Py<PyAny>> {
    let size = size(element);
    let at = |i: u64| ((first + i) % capacity) as usize * size;
    if is_byte(element) {
        let bytes: Vec<u8> = (0..len).map(|i| bytes[at(i)]).collect();
        return Ok(PyBytes::new(py, &bytes).into_any().unbind());
    }
    let list = PyList::empty(py);
    // Of elements without bytes there may be said to be more than anybody can count.
    let len = if size == 0 { 0 } else { len };
    for i in 0..len {
        list.append(decode(py, element, &bytes[at(i)..])?)?;
    }
    Ok(list.into_any().unbind())
}

fn number(py: Python<'_>, scalar: Scalar, bytes: &[u8]) -> PyResult<Py<PyAny>> {
    macro_rules! read {
        ($type:ty) => {{
            let bytes = bytes
                .first_chunk()
                .expect("the layout says that they are there");
            <$type>::from_ne_bytes(*bytes)
        }};
    }
    Ok(match scalar {
        Scalar::U8 => read!(u8).into_pyobject(py)?.into_any().unbind(),
        Scalar::U16 => read!(u16).into_pyobject(py)?.into_any().unbind(),
        Scalar::U32 => read!(u32).into_pyobject(py)?.into_any().unbind(),
        Scalar::U64 => read!(u64).into_pyobject(py)?.into_any().unbind(),
        Scalar::I8 => read!(i8).into_pyobject(py)?.into_any().unbind(),
        Scalar::I16 => read!(i16).into_pyobject(py)?.into_any().unbind(),
        Scalar::I32 => read!(i32).into_pyobject(py)?.into_any().unbind(),
        Scalar::I64 => read!(i64).into_pyobject(py)?.into_any().unbind(),
        Scalar::F32 => PyFloat::new(py, read!(f32).into()).into_any().unbind(),
        Scalar::F64 => PyFloat::new(py, read!(f64)).into_any().unbind(),
        Scalar::Bool => PyBool::new(py, bytes[0] != 0)
            .to_owned()
            .into_any()
            .unbind(),
        _ => {
            return Err(PyTypeError::new_err(format!(
                "unknown number {}",
                scalar.name()
            )));
        }
    })
}

/// Where an object goes, for messages, and whether it is put there before others see it.
#[derive(Clone, Copy)]
pub(super) struct Way<'w> {
    pub(super) path: &'w dyn Fn() -> String,
    pub(super) is_initial: bool,
}

impl Way<'_> {
    fn refuse<T>(&self, why: impl std::fmt::Display) -> PyResult<T> {
        Err(PyTypeError::new_err(format!("{}: {why}", (self.path)())))
    }

    fn wrong<T>(&self, value: &Bound<'_, PyAny>, wanted: &str) -> PyResult<T> {
        let class = value.get_type();
        self.refuse(format!("expected {wanted}, got {}", class.name()?))
    }

    fn unfit<T>(&self, why: impl std::fmt::Display) -> PyResult<T> {
        Err(PyValueError::new_err(format!("{}: {why}", (self.path)())))
    }
}

/// Puts the bytes of an object into `out`, which is as it was before.
pub(super) fn encode(
    schema: &Schema,
    value: &Bound<'_, PyAny>,
    out: &mut [u8],
    way: Way<'_>,
) -> PyResult<()> {
    match schema.shape() {
        Shape::Unit if value.is_none() => Ok(()),
        Shape::Unit => way.wrong(value, "None"),
        Shape::Scalar(scalar) => encode_number(scalar, value, out, way),
        Shape::Atomic(scalar) if way.is_initial => encode_number(scalar, value, out, way),
        Shape::Atomic(_) => way.refuse("it is atomic: use its `store`"),
        Shape::Enum {
            name,
            repr,
            variants,
            ..
        } => {
            let number = integer(value, &format!("a {name}"), way)?;
            if !variants
                .iter()
                .any(|variant| i128::from(variant.value()) == number)
            {
                return way.unfit(format!("{number} is no variant of {name}"));
            }
            encode_number(repr, value, out, way)
        }
        Shape::Array { element, len } => encode_array(element, len, value, out, way),
        Shape::Composite {
            role: Role::Text, ..
        } => encode_text(schema, value, out, way),
        Shape::Composite {
            role: Role::List | Role::Ring,
            ..
        } => encode_list(schema, value, out, way),
        Shape::Composite {
            role: Role::Struct, ..
        } => encode_struct(schema, value, out, way),
        Shape::Composite {
            role: Role::Sync,
            name,
            ..
        } if way.is_initial => encode_primitive(schema, name, value, out, way),
        _ => way.refuse(format!("a `{schema}` cannot be assigned to")),
    }
}

fn encode_number(
    scalar: Scalar,
    value: &Bound<'_, PyAny>,
    out: &mut [u8],
    way: Way<'_>,
) -> PyResult<()> {
    let mut put = |bytes: &[u8]| out[..bytes.len()].copy_from_slice(bytes);
    macro_rules! integers {
        ($($scalar:ident $type:ident),*) => {
            match scalar {
                Scalar::Bool => match value.cast::<PyBool>() {
                    Ok(value) => put(&[value.is_true().into()]),
                    Err(_) => return way.wrong(value, "a bool"),
                },
                Scalar::F64 => put(&real(value, way)?.to_ne_bytes()),
                Scalar::F32 => put(&(real(value, way)? as f32).to_ne_bytes()),
                $(Scalar::$scalar => {
                    let number = integer(value, "an int", way)?;
                    match $type::try_from(number) {
                        Ok(number) => put(&number.to_ne_bytes()),
                        Err(_) => {
                            let (least, most) = ($type::MIN, $type::MAX);
                            return Err(PyOverflowError::new_err(format!(
                                "{}: {value} does not fit into {} ({least} to {most})",
                                (way.path)(), scalar.name(),
                            )));
                        }
                    }
                })*
                _ => return way.refuse(format!("unknown number {}", scalar.name())),
            }
        };
    }
    integers!(U8 u8, U16 u16, U32 u32, U64 u64, I8 i8, I16 i16, I32 i32, I64 i64);
    Ok(())
}

/// An `int`, or what can be used as one; a `bool` is none, as it is none in Rust.
fn integer(value: &Bound<'_, PyAny>, wanted: &str, way: Way<'_>) -> PyResult<i128> {
    if value.is_instance_of::<PyBool>() {
        return way.wrong(value, wanted);
    }
    let number = match value.cast::<PyInt>() {
        Ok(number) => number.clone().into_any(),
        Err(_) => match value.call_method0("__index__") {
            Ok(number) => number,
            Err(_) => return way.wrong(value, wanted),
        },
    };
    // What is larger than all is refused by its type anyway.
    let clamped = number.extract::<i128>();
    clamped.or_else(|_| Ok(if number.lt(0)? { i128::MIN } else { i128::MAX }))
}

fn real(value: &Bound<'_, PyAny>, way: Way<'_>) -> PyResult<f64> {
    if value.is_instance_of::<PyBool>() {
        return way.wrong(value, "a float");
    }
    value.extract().or_else(|_| way.wrong(value, "a float"))
}

fn encode_array(
    element: &Schema,
    len: u64,
    value: &Bound<'_, PyAny>,
    out: &mut [u8],
    way: Way<'_>,
) -> PyResult<()> {
    let given = Items::of(element, value, way)?;
    if given.len() as u64 != len {
        return way.unfit(format!("expected {len} elements, got {}", given.len()));
    }
    given.encode(element, out, way)
}

fn encode_list(
    schema: &Schema,
    value: &Bound<'_, PyAny>,
    out: &mut [u8],
    way: Way<'_>,
) -> PyResult<()> {
    let (element, capacity) = items_of(schema)?;
    let given = Items::of(element, value, way)?;
    if given.len() as u64 > capacity {
        let count = given.len();
        return way.unfit(format!(
            "{count} elements, and there is room for {capacity}"
        ));
    }
    given.encode(element, &mut out[offset(schema, "items")?..], way)?;
    if schema.field("head").is_some() {
        set_word(schema, "head", 0, out)?;
    }
    set_word(schema, "len", given.len() as u32, out)
}

fn encode_text(
    schema: &Schema,
    value: &Bound<'_, PyAny>,
    out: &mut [u8],
    way: Way<'_>,
) -> PyResult<()> {
    let text = match value.extract::<String>() {
        Ok(text) => text,
        Err(_) => match view_of(value)?.map(|value| value.extract()) {
            Some(Ok(text)) => text,
            _ => return way.wrong(value, "a str"),
        },
    };
    let at = offset(schema, "bytes")?;
    let (_, capacity) = items_of(schema)?;
    if text.len() as u64 > capacity {
        let count = text.len();
        return way.unfit(format!(
            "{count} bytes of UTF-8, and there is room for {capacity}"
        ));
    }
    out[at..][..text.len()].copy_from_slice(text.as_bytes());
    set_word(schema, "len", text.len() as u32, out)
}

fn encode_struct(
    schema: &Schema,
    value: &Bound<'_, PyAny>,
    out: &mut [u8],
    way: Way<'_>,
) -> PyResult<()> {
    let view = match value.cast::<PyMapping>() {
        Ok(_) => None,
        Err(_) => view_of(value)?,
    };
    let Ok(parts) = view.as_ref().unwrap_or(value).cast::<PyMapping>() else {
        return way.wrong(value, &format!("a mapping of the fields of {schema}"));
    };
    for part in parts.items()?.iter() {
        let (name, value): (String, Bound<'_, PyAny>) = part.extract()?;
        let path = || format!("{}.{name}", (way.path)());
        let way = Way { path: &path, ..way };
        let Some(field) = schema.field(&name) else {
            return way.refuse("there is no such field");
        };
        encode(
            field.schema(),
            &value,
            &mut out[field.offset() as usize..],
            way,
        )?;
    }
    Ok(())
}

/// The value that a view of this package's shows, if it is one.
fn view_of<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let place = value.getattr_opt("_place")?;
    let place = place.and_then(|place| place.cast_into::<Place>().ok());
    place
        .map(|place| Ok(place.get().get(value.py())?.into_bound(value.py())))
        .transpose()
}

/// What a primitive is at first, which is zeros unless it is said.
fn encode_primitive(
    schema: &Schema,
    name: &str,
    value: &Bound<'_, PyAny>,
    out: &mut [u8],
    way: Way<'_>,
) -> PyResult<()> {
    if value.is_none() {
        return Ok(());
    }
    match name {
        "Mutex" | "RecursiveMutex" | "RwLock" => {
            let data = field(schema, "data")?;
            encode(
                data.schema(),
                value,
                &mut out[data.offset() as usize..],
                way,
            )
        }
        "Semaphore" => {
            let permits = integer(value, "a number of permits", way)?;
            match u32::try_from(permits)
                .ok()
                .filter(|&it| it <= sync::Semaphore::MAX)
            {
                Some(permits) => set_word(schema, "permits", permits, out),
                None => way.unfit(format!("permits are 0 to {}", sync::Semaphore::MAX)),
            }
        }
        "Barrier" => {
            let parties = integer(value, "a number of parties", way)?;
            match u32::try_from(parties)
                .ok()
                .filter(|&it| it <= sync::Barrier::MAX)
            {
                Some(parties) => set_word(schema, "parties", parties, out),
                None => way.unfit(format!("parties are 0 to {}", sync::Barrier::MAX)),
            }
        }
        "Event" => match value.extract::<String>().as_deref() {
            Ok("manual") => Ok(()),
            Ok("auto") => set_word(schema, "is_auto", 1, out),
            _ => way.refuse("an event is \"manual\" or \"auto\""),
        },
        _ => way.refuse(format!("a `{name}` begins as it is")),
    }
}

/// The elements that somebody gives for an array.
enum Items<'py> {
    Bytes(Vec<u8>),
    Objects(Vec<Bound<'py, PyAny>>),
}

impl<'py> Items<'py> {
    fn of(element: &Schema, value: &Bound<'py, PyAny>, way: Way<'_>) -> PyResult<Self> {
        if is_byte(element) && value.hasattr("__buffer__")? || value.is_instance_of::<PyBytes>() {
            let bytes = PyModule::import(value.py(), "builtins")?.getattr("bytes")?;
            let bytes = bytes.call1((value,))?;
            return Ok(Self::Bytes(bytes.extract()?));
        }
        if value.is_instance_of::<PyString>() {
            return way.wrong(value, "a sequence");
        }
        match value.try_iter() {
            Ok(items) => Ok(Self::Objects(items.collect::<PyResult<_>>()?)),
            Err(_) => way.wrong(value, "a sequence"),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Objects(objects) => objects.len(),
        }
    }

    fn encode(&self, element: &Schema, out: &mut [u8], way: Way<'_>) -> PyResult<()> {
        match self {
            Self::Bytes(bytes) if is_byte(element) => {
                out[..bytes.len()].copy_from_slice(bytes);
                Ok(())
            }
            Self::Bytes(_) => way.refuse(format!("bytes are no sequence of `{element}`")),
            Self::Objects(objects) => {
                for (i, object) in objects.iter().enumerate() {
                    let path = || format!("{}[{i}]", (way.path)());
                    let way = Way { path: &path, ..way };
                    encode(element, object, &mut out[i * size(element)..], way)?;
                }
                Ok(())
            }
        }
    }
}

fn is_byte(schema: &Schema) -> bool {
    matches!(schema.shape(), Shape::Scalar(Scalar::U8))
}

fn size(schema: &Schema) -> usize {
    schema.size() as usize
}

fn field<'s>(schema: &'s Schema, name: &str) -> PyResult<&'s SchemaField> {
    let odd = || PyTypeError::new_err(format!("this `{schema}` has no `{name}`"));
    schema.field(name).ok_or_else(odd)
}

fn offset(schema: &Schema, name: &str) -> PyResult<usize> {
    Ok(field(schema, name)?.offset() as usize)
}

fn set_word(schema: &Schema, name: &str, word: u32, out: &mut [u8]) -> PyResult<()> {
    let at = offset(schema, name)?;
    out[at..][..4].copy_from_slice(&word.to_ne_bytes());
    Ok(())
}

fn items_of(schema: &Schema) -> PyResult<(&Schema, u64)> {
    let items = field(schema, "items").or_else(|_| field(schema, "bytes"))?;
    match items.schema().shape() {
        Shape::Array { element, len } => Ok((element, len)),
        _ => Err(PyTypeError::new_err(format!(
            "this `{schema}` has odd items"
        ))),
    }
}

/// Where a collection begins, how many items count, and all of them; whatever its words say.
fn collection<'b>(schema: &Schema, bytes: &'b [u8]) -> PyResult<(u64, u64, &'b [u8])> {
    let word = |name: &str| -> PyResult<u64> {
        let at = offset(schema, name)?;
        let word = bytes[at..].first_chunk().copied().unwrap_or_default();
        Ok(u32::from_ne_bytes(word).into())
    };
    let (_, capacity) = items_of(schema)?;
    let head = match schema.field("head") {
        Some(_) => word("head")?.checked_rem(capacity).unwrap_or(0),
        None => 0,
    };
    let items = field(schema, "items").or_else(|_| field(schema, "bytes"))?;
    let at = items.offset() as usize;
    let end = at + size(items.schema());
    Ok((head, word("len")?.min(capacity), &bytes[at..end]))
}
