//! From objects to bytes that are a value of the type.

use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyInt, PyMapping, PyString};
use shmkit::layout::{Role, Scalar, Schema, Shape};
use shmkit::sync;

use super::super::place::Place;
use super::{field, is_byte, items_of, offset, size};

/// Where an object goes, for messages, and whether it is put there before others see it.
#[derive(Clone, Copy)]
pub(in crate::typed) struct Way<'w> {
    pub(in crate::typed) path: &'w dyn Fn() -> String,
    pub(in crate::typed) is_initial: bool,
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
pub(in crate::typed) fn encode(
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

fn set_word(schema: &Schema, name: &str, word: u32, out: &mut [u8]) -> PyResult<()> {
    let at = offset(schema, name)?;
    out[at..][..4].copy_from_slice(&word.to_ne_bytes());
    Ok(())
}
